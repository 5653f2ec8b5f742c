//! Outputs as text, for transcripts and messages.

use ftp_proto::{Action, Change, Channel, Open, OpenTarget, Output, Proof, Stat, Transfer};
use ftp_types::Secret;

/// One line for an action: its name, and what it is about.
#[must_use]
pub fn describe(action: &Action) -> String {
    match action {
        Action::Authenticate(ticket) => {
            let request = ticket.request();
            match &request.proof {
                Proof::Password(password) if password.is_empty() => format!("Authenticate {}", request.user),
                Proof::Password(password) => format!("Authenticate {} {}", request.user, exposed(password)),
                Proof::Certificate => format!("Authenticate {} by certificate", request.user),
            }
        }
        Action::Stat(ticket) => {
            let Stat { path, purpose } = ticket.request();
            format!("Stat {purpose:?} {path}")
        }
        Action::Change(ticket) => changing(ticket.request()),
        Action::Open(ticket) => opening(ticket.request()),
        Action::Listen(ticket) => {
            let suffix = if ticket.request().extended { " extended" } else { "" };
            format!("Listen {}{suffix}", ticket.request().address)
        }
        Action::Accept(ticket) => match ticket.request().from {
            Some(address) => format!("Accept from {address}"),
            None => String::from("Accept from anywhere"),
        },
        Action::Connect(ticket) => format!("Connect {}", ticket.request().address),
        Action::StartTls(ticket) => match ticket.request().channel {
            Channel::Control => String::from("StartTls control"),
            Channel::Data(_) => String::from("StartTls data"),
        },
        Action::Transfer(ticket) => {
            let Transfer { kind, channel, .. } = ticket.request();
            let suffix = if *channel == Channel::Control { " over control" } else { "" };
            format!("Transfer {kind:?}{suffix}")
        }
    }
}

/// One line for an output; replies as they go over the wire.
#[must_use]
pub fn shown(output: &Output) -> String {
    match output {
        Output::Send(reply) => {
            let mut wire = Vec::new();
            reply.write_to(&mut wire);
            format!("S: {}", wire.trim_ascii_end().escape_ascii())
        }
        Output::Start(action) => format!("start {}", describe(action)),
        other => format!("{other:?}"),
    }
}

fn changing(change: &Change) -> String {
    match change {
        Change::MakeDirectory(path) => format!("MakeDirectory {path}"),
        Change::RemoveDirectory(path) => format!("RemoveDirectory {path}"),
        Change::RemoveFile(path) => format!("RemoveFile {path}"),
        Change::Rename { from, to } => format!("Rename {from} to {to}"),
        Change::SetMode { path, mode } => format!("SetMode {mode:03o} {path}"),
        Change::SetModified { path, time } => format!("SetModified {} {path}", time.to_civil(0)),
        other => format!("{other:?}"),
    }
}

fn opening(open: &Open) -> String {
    let verb = if open.only_check { "Check" } else { "Open" };
    match &open.target {
        OpenTarget::Read { path, offset } => format!("{verb} Read {path} {offset}"),
        OpenTarget::Write { path, mode } => format!("{verb} Write {path} {mode:?}"),
        OpenTarget::Unique { directory, prefix } => format!("{verb} Unique {directory} {}", prefix.escape_ascii()),
        OpenTarget::List { path, .. } => format!("{verb} List {path}"),
        other => format!("{verb} {other:?}"),
    }
}

fn exposed(password: &Secret) -> String {
    password.expose().escape_ascii().to_string()
}
