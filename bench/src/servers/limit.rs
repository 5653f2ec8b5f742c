//! The limit program, which is this program.

use super::{Launch, Setting};

pub(super) fn launch(setting: &Setting<'_>) -> Launch {
    Launch::new([
        "limit".to_owned(),
        setting.address.to_string(),
        setting.root.display().to_string(),
        setting.certificate.display().to_string(),
        setting.key.display().to_string(),
    ])
}
