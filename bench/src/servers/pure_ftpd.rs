//! pure-ftpd: anonymous alone, without logs, and with listings as long as they are.

use std::io;

use super::{Launch, Setting};

pub(super) fn launch(setting: &Setting<'_>) -> io::Result<Launch> {
    let address = setting.address;
    let pid_file = setting.work.join("pid");
    let mut arguments = vec!["-S".to_owned(), format!("{},{}", address.ip(), address.port())];
    arguments
        .extend(["-e", "-M", "-H", "-f", "none", "-L", "500000:5", "-c", "20000", "-C", "20000"].map(String::from));
    arguments.extend(["-I", "60", "-g"].map(String::from));
    arguments.push(pid_file.display().to_string());
    if setting.tls {
        arguments.extend(["-Y", "1", "-2"].map(String::from));
        arguments.push(setting.both.display().to_string());
    }
    Ok(Launch::new(arguments).with("FTP_ANON_DIR", setting.root.display().to_string()))
}
