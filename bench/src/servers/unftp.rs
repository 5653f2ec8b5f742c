//! unFTP: anonymous, on its back end for files.

use super::{Launch, Setting};

pub(super) fn launch(setting: &Setting<'_>) -> Launch {
    let mut arguments = vec![
        format!("--root-dir={}", setting.root.display()),
        format!("--bind-address={}", setting.address),
        "--auth-type=anonymous".to_owned(),
        "--passive-ports=20000-60999".to_owned(),
        "--idle-session-timeout=3600".to_owned(),
    ];
    if setting.tls {
        arguments.push(format!("--ftps-certs-file={}", setting.certificate.display()));
        arguments.push(format!("--ftps-key-file={}", setting.key.display()));
    }
    Launch::new(arguments)
}
