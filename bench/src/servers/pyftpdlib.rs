//! pyftpdlib: its asynchronous server, with sendfile, which is its default.

use std::io;

use super::{Launch, Setting};

const PROGRAM: &str = r#"
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

host, port, root, both = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
logging.basicConfig(level=logging.ERROR)
handler = FTPHandler
if both:
    from pyftpdlib.handlers import TLS_FTPHandler as handler
    handler.certfile = both
authorizer = DummyAuthorizer()
authorizer.add_anonymous(root, perm="elradfmwMT")
handler.authorizer = authorizer
handler.timeout = 3600
handler.log_prefix = ""
server = FTPServer((host, port), handler, backlog=4096)
server.max_cons = 0
server.max_cons_per_ip = 0
server.serve_forever()
"#;

pub(super) fn launch(setting: &Setting<'_>) -> io::Result<Launch> {
    let both = if setting.tls { setting.both.display().to_string() } else { String::new() };
    let (host, port) = (setting.address.ip().to_string(), setting.address.port().to_string());
    let program = setting.write("server.py", PROGRAM)?;
    Ok(Launch::new(["-W".into(), "ignore".into(), program, host, port, setting.root.display().to_string(), both]))
}
