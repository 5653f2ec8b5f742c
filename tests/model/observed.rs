//! What the real session says and starts, in the machine's words.

use std::collections::HashMap;

use ftp_proto::{
    Action, ActionId, Change, Channel, ListStyle, OpenTarget, Proof, Reply, Representation, Resource, TransferKind,
};

use crate::effects::{Part, Said};
use crate::tasks::{Alteration, How, Number, Over, Target, Task, Thing};

/// The session's names of actions, and the order in which they were started.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<ActionId, Number>);

impl Names {
    /// Notes that an action is started.
    pub(crate) fn add(&mut self, id: ActionId) -> Number {
        let number = self.0.len();
        assert!(self.0.insert(id, number).is_none(), "{id} is the name of two actions");
        number
    }

    pub(crate) fn number(&self, id: ActionId) -> Number {
        *self.0.get(&id).unwrap_or_else(|| panic!("{id} was never started"))
    }

    pub(crate) fn thing(&self, resource: Resource) -> Thing {
        match resource {
            Resource::Account(id) => Thing::Account(self.number(id)),
            Resource::Listener(id) => Thing::Listener(self.number(id)),
            Resource::Data(id) => Thing::Data(self.number(id)),
            Resource::File(id) => Thing::File(self.number(id)),
        }
    }

    fn over(&self, channel: Channel) -> Over {
        match channel {
            Channel::Control => Over::Control,
            Channel::Data(id) => Over::Data(self.number(id)),
        }
    }

    /// What an action asks for.
    pub(crate) fn task(&self, action: &Action) -> Task {
        match action {
            Action::Authenticate(ticket) => {
                let password = match &ticket.request().proof {
                    Proof::Password(password) => Some(password.expose().to_vec()),
                    Proof::Certificate => None,
                };
                Task::Judge { user: ticket.request().user.to_string(), password }
            }
            Action::Stat(ticket) => {
                Task::Look { path: ticket.request().path.as_bytes().to_vec(), why: ticket.request().purpose }
            }
            Action::Change(ticket) => Task::Alter(alteration(ticket.request())),
            Action::Open(ticket) => {
                Task::Open { what: target(&ticket.request().target), only_check: ticket.request().only_check }
            }
            Action::Listen(ticket) => {
                Task::Listen { address: ticket.request().address, extended: ticket.request().extended }
            }
            Action::Accept(ticket) => {
                Task::Accept { listener: self.number(ticket.request().listener), from: ticket.request().from }
            }
            Action::Connect(ticket) => Task::Connect(ticket.request().address),
            Action::StartTls(ticket) => Task::Secure(self.over(ticket.request().channel)),
            Action::Transfer(ticket) => {
                let request = ticket.request();
                Task::Move { file: self.number(request.file), how: how(request.kind), over: self.over(request.channel) }
            }
        }
    }
}

fn alteration(change: &Change) -> Alteration {
    let bytes = |path: &ftp_types::VirtualPath| path.as_bytes().to_vec();
    match change {
        Change::MakeDirectory(path) => Alteration::MakeDirectory(bytes(path)),
        Change::RemoveDirectory(path) => Alteration::RemoveDirectory(bytes(path)),
        Change::RemoveFile(path) => Alteration::RemoveFile(bytes(path)),
        Change::Rename { from, to } => Alteration::Rename(bytes(from), bytes(to)),
        Change::SetMode { path, mode } => Alteration::Mode(bytes(path), *mode),
        Change::SetModified { path, time } => Alteration::Time(bytes(path), time.to_civil(0).to_string()),
        other => panic!("a change that the machine does not know: {other:?}"),
    }
}

fn target(target: &OpenTarget) -> Target {
    match target {
        OpenTarget::Read { path, offset } => Target::Read(path.as_bytes().to_vec(), *offset),
        OpenTarget::Write { path, mode } => Target::Write(path.as_bytes().to_vec(), *mode),
        OpenTarget::Unique { directory, prefix } => {
            Target::Unique { directory: directory.as_bytes().to_vec(), prefix: prefix.clone() }
        }
        OpenTarget::List { path, file_will_do } => {
            Target::List { path: path.as_bytes().to_vec(), file_will_do: *file_will_do }
        }
        other => panic!("a target that the machine does not know: {other:?}"),
    }
}

fn how(kind: TransferKind) -> How {
    match kind {
        TransferKind::Send(representation) => How::Send { ascii: representation == Representation::Ascii },
        TransferKind::Receive(representation) => How::Receive { ascii: representation == Representation::Ascii },
        TransferKind::List(ListStyle::Long) => How::LongList,
        TransferKind::List(ListStyle::Names) => How::Names,
        TransferKind::List(ListStyle::Facts(facts)) => How::Facts(facts.names()),
    }
}

/// A reply as it goes over the wire. Which part of an answer it is, its first line tells.
pub(crate) fn said(reply: &Reply) -> Said {
    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    let code = String::from_utf8_lossy(&wire[..3]).parse().expect("a reply begins with its code");
    let lines = wire.split(|byte| *byte == b'\n').count() - 1;
    let part = match wire[3] {
        _ if code < 200 => Part::Preliminary,
        b'-' if lines == 1 => Part::Head,
        _ => Part::Final,
    };
    Said { code, part, text: wire.split_off(3) }
}
