//! A replay for people: one line for each line of the client and of the server, and for each thing in between.

use std::fmt::Debug;
use std::time::Duration;

use ftp_driver::record::{Header, Input, Line, Outcome, Step, What};
use ftp_proto::{
    Accept, Action, Authenticate, Change, Channel, Connect, Event, Incomplete, Open, OpenTarget, Output, Proof, Reply,
    Resource, Stat, Transfer, TransferReport,
};
use ftp_types::{Escaped, UnixTime};

/// Who, when and where.
pub(super) fn header(header: &Header) -> String {
    let Header { program, session, peer, local, implicit_tls, .. } = header;
    let scheme = if *implicit_tls { "ftps" } else { "ftp" };
    format!("{}, session {session} of {}, {scheme}, {peer} to {local}", Escaped(program.as_bytes()), began(header))
}

/// The moment that the session began, in UTC.
pub(super) fn began(header: &Header) -> String {
    let (seconds, nanoseconds) = header.began;
    let time = UnixTime { seconds, nanoseconds }.to_civil(0);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year,
        time.month,
        time.day,
        time.hour,
        time.minute,
        time.second,
        nanoseconds / 1_000_000
    )
}

/// The lines of a step.
pub(super) fn lines(step: &Step<'_>) -> Vec<String> {
    let texts = match step.what {
        What::Input(Input::Bytes(bytes)) => bytes.lines.iter().map(|line| format!("C: {}", said(line))).collect(),
        What::Input(input) => vec![format!("   {}", given(input))],
        What::Output(Output::Send(reply)) => reply_lines(reply).into_iter().map(|line| format!("S: {line}")).collect(),
        What::Output(output) => vec![format!("   {}", done(output))],
    };
    texts.into_iter().map(|text| format!("{} {text}", at(step.at))).collect()
}

fn at(at: Duration) -> String {
    format!("{:12.6}", at.as_secs_f64())
}

/// A line of the client, without its end. What is not text comes escaped.
pub(super) fn said(line: &Line) -> String {
    match line {
        Line::Plain { bytes, .. } => {
            let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            Escaped(line.strip_suffix(b"\r").unwrap_or(line)).to_string()
        }
        Line::Masked { line, .. } => Escaped(line).to_string(),
        Line::TooLong => "(a line that is too long)".to_owned(),
    }
}

pub(super) fn reply_lines(reply: &Reply) -> Vec<String> {
    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    let lines = wire.strip_suffix(b"\r\n").unwrap_or(&wire).split(|byte| *byte == b'\n');
    lines.map(|line| Escaped(line.strip_suffix(b"\r").unwrap_or(line)).to_string()).collect()
}

/// An input that is no bytes.
pub(super) fn given(input: &Input) -> String {
    match input {
        Input::Bytes(_) => "bytes".to_owned(),
        Input::Eof => "the client closes the connection".to_owned(),
        Input::Timeout => "a timer is due".to_owned(),
        Input::Progress { transfer, bytes } => format!("#{transfer} has moved {bytes} bytes"),
        Input::Pause { transfer, until } => {
            format!("#{transfer} is held back until {:.6}", Duration::from_nanos(*until).as_secs_f64())
        }
        Input::Wait { listen } => format!("#{listen} has to wait"),
        Input::Answer { action, outcome } => format!("#{action} {}", outcome_of(outcome)),
        Input::Shutdown { now } => format!("the server stops{}", at_once(*now)),
        Input::Dismiss { now } => format!("the session is to end{}", at_once(*now)),
        Input::End { unfinished: Some(line) } => format!("end, behind the unfinished line {}", Escaped(line)),
        Input::End { unfinished: None } => "end".to_owned(),
        Input::Full => "end of the record".to_owned(),
        other => format!("{other:?}"),
    }
}

fn at_once(now: bool) -> &'static str {
    if now { " at once" } else { "" }
}

fn outcome_of(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Authenticate(result) => {
            told(result, |welcome| format!("logged in at {}", Escaped(&welcome.directory)))
        }
        Outcome::Stat(result) => told(result, |found| {
            let kind = ["file", "directory", "link", "other"].get(usize::from(found.kind)).unwrap_or(&"?");
            format!("found: {kind}, {} bytes", found.len)
        }),
        Outcome::Change(result) => told(result, |()| "done".to_owned()),
        Outcome::Open(result) => told(result, |(len, name)| {
            let len = len.map(|len| format!(", {len} bytes")).unwrap_or_default();
            let name = name.as_ref().map(|name| format!(", {}", Escaped(name))).unwrap_or_default();
            format!("open{len}{name}")
        }),
        Outcome::Listen(result) => told(result, |(port, _)| format!("listens at port {port}")),
        Outcome::Accept(result) | Outcome::Connect(result) => told(result, |()| "connected".to_owned()),
        Outcome::StartTls(result) => told(result, |certificate| {
            if *certificate { "under TLS, with a certificate" } else { "under TLS" }.to_owned()
        }),
        Outcome::Transfer(bytes, end) => told(end, |()| format!("complete, {bytes} bytes")),
        other => format!("{other:?}"),
    }
}

fn told<T, E: Debug>(result: &Result<T, E>, good: impl FnOnce(&T) -> String) -> String {
    result.as_ref().map_or_else(|error| format!("failed: {error:?}"), good)
}

/// An output that is no reply.
pub(super) fn done(output: &Output) -> String {
    match output {
        Output::Send(reply) => format!("reply {}", reply.code()),
        Output::Start(action) => started(action),
        Output::Cancel(id) => format!("{id} cancel"),
        Output::Release(resource) => match resource {
            Resource::Account(id) => format!("{id} release the account"),
            Resource::Listener(id) => format!("{id} close the listener"),
            Resource::Data(id) => format!("{id} close the data connection"),
            Resource::File(id) => format!("{id} close the file"),
        },
        Output::Notify(event) => happened(event),
        Output::Close(reason) => format!("close: {reason}"),
    }
}

fn started(action: &Action) -> String {
    match action {
        Action::Authenticate(ticket) => {
            let Authenticate { user, proof } = ticket.request();
            let by = if matches!(proof, Proof::Certificate) { " by certificate" } else { "" };
            format!("{} authenticate {}{by}", ticket.id(), Escaped(user.as_str().as_bytes()))
        }
        Action::Stat(ticket) => {
            let Stat { path, purpose } = ticket.request();
            format!("{} look at {path} ({purpose:?})", ticket.id())
        }
        Action::Change(ticket) => format!("{} {}", ticket.id(), changing(ticket.request())),
        Action::Open(ticket) => format!("{} {}", ticket.id(), opening(ticket.request())),
        Action::Listen(ticket) => format!("{} listen", ticket.id()),
        Action::Accept(ticket) => {
            let Accept { listener, from } = ticket.request();
            let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
            format!("{} await a connection at {listener}{from}", ticket.id())
        }
        Action::Connect(ticket) => {
            let Connect { address } = ticket.request();
            format!("{} connect to {address}", ticket.id())
        }
        Action::StartTls(ticket) => format!("{} start TLS on {}", ticket.id(), channel(ticket.request().channel)),
        Action::Transfer(ticket) => {
            let Transfer { file, kind, channel: over } = ticket.request();
            format!("{} transfer {file} over {} ({kind:?})", ticket.id(), channel(*over))
        }
    }
}

fn channel(channel: Channel) -> String {
    match channel {
        Channel::Control => "the control connection".to_owned(),
        Channel::Data(id) => id.to_string(),
    }
}

fn changing(change: &Change) -> String {
    match change {
        Change::MakeDirectory(path) => format!("make directory {path}"),
        Change::RemoveDirectory(path) => format!("remove directory {path}"),
        Change::RemoveFile(path) => format!("remove {path}"),
        Change::Rename { from, to } => format!("rename {from} to {to}"),
        Change::SetMode { path, mode } => format!("set mode {mode:03o} of {path}"),
        Change::SetModified { path, .. } => format!("set the time of {path}"),
        other => format!("{other:?}"),
    }
}

fn opening(Open { target, only_check }: &Open) -> String {
    let check = if *only_check { "check " } else { "" };
    match target {
        OpenTarget::Read { path, offset } => format!("{check}open {path} from byte {offset}"),
        OpenTarget::Write { path, mode } => format!("{check}open {path} to write ({mode:?})"),
        OpenTarget::Unique { directory, .. } => format!("{check}make a new file in {directory}"),
        OpenTarget::List { path, .. } => format!("{check}list {path}"),
        other => format!("{check}{other:?}"),
    }
}

fn happened(event: &Event) -> String {
    match event {
        Event::Command(line) => format!("event: command {line}"),
        Event::Secured => "event: under TLS".to_owned(),
        Event::LoggedIn(user) => format!("event: {} logged in", Escaped(user.as_str().as_bytes())),
        Event::LoginFailed { user, reason } => {
            format!("event: login of {} failed ({reason:?})", Escaped(user.as_str().as_bytes()))
        }
        Event::LoggedOut { user, reason } => {
            format!("event: {} logged out ({reason})", Escaped(user.as_str().as_bytes()))
        }
        Event::Changed(change) => format!("event: changed, {}", changing(change)),
        Event::Transferred(report) => transferred(report),
        Event::StrayAnswer(id) => format!("event: stray answer to {id}"),
        other => format!("event: {other:?}"),
    }
}

fn transferred(TransferReport { path, direction, bytes, end, .. }: &TransferReport) -> String {
    let how = match end {
        Ok(()) => "whole".to_owned(),
        Err(Incomplete::SessionEnded(reason)) => format!("not whole ({reason})"),
        Err(incomplete) => format!("not whole ({incomplete:?})"),
    };
    format!("event: {direction:?} of {path}, {bytes} bytes, {how}")
        .replace("Download", "download")
        .replace("Upload", "upload")
}
