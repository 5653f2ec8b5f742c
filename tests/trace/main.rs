//! Transcripts: what a client says and what the server answers, as text that an RFC could have.
//!
//! Each file of `transcripts/` holds scenarios; `script.rs` tells how they are written. To add a command, add an
//! exchange with every reply that it can give to the file of its group.

mod answer;
mod play;
mod script;

/// One test for each file of transcripts.
macro_rules! transcripts {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let file = concat!("transcripts/", stringify!($name), ".txt");
            crate::play::play_all(file, include_str!(concat!("transcripts/", stringify!($name), ".txt")));
        })+
    };
}

transcripts!(
    rfc959_section_7,
    login,
    before_login,
    security,
    dirs,
    params,
    passive,
    files,
    rename_and_facts,
    listings,
    info,
    transfers,
    abort,
    pipelining,
    timeouts,
    framing,
    numbers,
);
