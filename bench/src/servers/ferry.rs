//! Ferry: its defaults, without a limit of connections.

use std::io;

use super::{Launch, Setting};

pub(super) fn launch(runtime: &str, setting: &Setting<'_>) -> io::Result<Launch> {
    let tls = if setting.tls {
        format!("[tls]\ncertfile = '{}'\nkeyfile = '{}'\n", setting.certificate.display(), setting.key.display())
    } else {
        String::new()
    };
    let text = format!(
        "[server]\nlisten = ['{}']\nruntime = '{runtime}'\nmax_connections = 0\n\
         [anonymous]\nhome = '{}'\nperm = 'elradfmwMT'\n[log]\nlevel = 'error'\n{tls}",
        setting.address,
        setting.root.display(),
    );
    Ok(Launch::new(["--config".to_owned(), setting.write("ferry.toml", &text)?]))
}
