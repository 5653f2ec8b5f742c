//! Writes the record of one session, input by input.

use std::time::Duration;

use ftp_proto::{ActionId, Config, Instant, Output, Ticket};
use ftp_types::UnixTime;

use super::frame;
use super::lines::Lines;
use super::marks::Mark;
use super::outcome::{Outcome, Recorded};
use super::outline::{Entry, Header, Input, Settings};
use super::recorder::{Recorder, Recording};
use crate::observer::SessionInfo;

/// So much waits for the end of the session's turn at most.
const BUFFER: usize = 16 * 1024;
/// Room for the entry that says that there is no more room.
const LAST_ENTRY: u64 = 64;

/// The record of one session while it is written.
pub(crate) struct Scribe {
    recording: Box<dyn Recording>,
    /// Not handed over yet.
    buffer: Vec<u8>,
    /// How many bytes the record may still have.
    room: u64,
    began: Instant,
    /// The moment of the last entry.
    last: Instant,
    /// What the session has put out since.
    marks: Vec<Mark>,
    drained: bool,
    motion: Vec<(Instant, Input)>,
    lines: Lines,
    is_over: bool,
}

/// How a session began, as far as a record tells it.
pub(crate) struct Beginning<'a> {
    pub(crate) session: &'a SessionInfo,
    pub(crate) implicit_tls: bool,
    pub(crate) config: &'a Config,
    /// The moment of it, and what a clock on the wall said.
    pub(crate) now: Instant,
    pub(crate) time: UnixTime,
}

impl Scribe {
    /// Begins a record, if the recorder wants one.
    pub(crate) fn begin(recorder: &dyn Recorder, beginning: &Beginning<'_>) -> Option<Self> {
        let Beginning { session, implicit_tls, config, now, time } = *beginning;
        let addresses = session.addresses;
        let header = Header {
            program: concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).to_owned(),
            session: session.id,
            began: (time.seconds, time.nanoseconds),
            local: addresses.local,
            peer: addresses.peer,
            implicit_tls,
            settings: Settings::of(config, addresses.local.ip(), recorder.charset()),
        };
        let mut buffer = Vec::new();
        frame::append_start(&mut buffer);
        frame::append(&mut buffer, &header)?;
        Some(Self {
            recording: recorder.begin(session, time)?,
            room: recorder.limit().saturating_sub(buffer.len() as u64),
            buffer,
            began: now,
            last: now,
            marks: Vec::new(),
            drained: false,
            motion: Vec::new(),
            lines: Lines::default(),
            is_over: false,
        })
    }

    /// Notes what was taken from the session: an output, or that there was none.
    pub(super) fn note_output(&mut self, output: Option<&Output>) {
        self.drained = output.is_none();
        self.marks.extend(output.map(Mark::of));
    }

    /// Notes an input.
    pub(super) fn note(&mut self, input: Input, now: Instant) {
        // What came last before it is all that the session remembers of the motion of a transfer.
        for (moment, motion) in std::mem::take(&mut self.motion) {
            self.put(motion, moment);
        }
        self.put(input, now);
    }

    /// Notes bytes that the session took, and whether it left others.
    pub(super) fn note_bytes(&mut self, bytes: &[u8], more: bool, now: Instant) {
        if let Some(bytes) = self.lines.take(bytes, more) {
            self.note(Input::Bytes(bytes), now);
        }
    }

    /// Notes an answer that the session is about to be given.
    pub(super) fn note_answer<Q: Recorded>(&mut self, ticket: &Ticket<Q>, answer: &Q::Outcome, now: Instant) {
        let outcome = Q::outcome(answer);
        if matches!(outcome, Outcome::Authenticate(Ok(_))) {
            self.lines.log_in();
        }
        self.note(Input::Answer { action: ticket.id().number(), outcome }, now);
        if ticket.request().begins_anew() {
            self.lines.begin_anew();
        }
    }

    /// Notes how far a transfer is. A further note replaces it, unless there was another input in between: so the record
    /// does not grow with the file.
    pub(super) fn note_progress(&mut self, transfer: ActionId, bytes: u64, now: Instant) {
        self.motion.retain(|(_, motion)| !matches!(motion, Input::Progress { .. }));
        self.motion.push((now, Input::Progress { transfer: transfer.number(), bytes }));
    }

    /// Notes that a transfer is held back; as for [`note_progress`](Self::note_progress).
    pub(super) fn note_pause(&mut self, transfer: ActionId, until: Instant, now: Instant) {
        self.motion.retain(|(_, motion)| !matches!(motion, Input::Pause { .. }));
        let until = nanoseconds(until.saturating_since(self.began));
        self.motion.push((now, Input::Pause { transfer: transfer.number(), until }));
    }

    /// The session is over.
    pub(super) fn end(&mut self, now: Instant) {
        let unfinished = self.lines.unfinished();
        self.note(Input::End { unfinished }, now);
        self.hand_over();
    }

    /// Hands over what has been written.
    pub(super) fn hand_over(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // Sessions are idle most of their time, and there are many.
        let buffer = std::mem::take(&mut self.buffer);
        self.is_over |= !self.recording.write(&buffer);
    }

    /// Whether nothing more is recorded.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    fn put(&mut self, input: Input, now: Instant) {
        if self.is_over {
            return;
        }
        let after = nanoseconds(now.saturating_since(self.last));
        self.last = self.last.max(now);
        let (outputs, drained) = (std::mem::take(&mut self.marks), std::mem::take(&mut self.drained));
        let before = self.buffer.len();
        let entry = Entry { after, outputs, drained, input };
        let written = frame::append(&mut self.buffer, &entry);
        let length = (self.buffer.len() - before) as u64;
        if written.is_none() || length + LAST_ENTRY > self.room {
            self.buffer.truncate(before);
            return self.stop();
        }
        self.room -= length;
        if self.buffer.len() >= BUFFER {
            self.hand_over();
        }
    }

    /// Ends the record at its limit.
    fn stop(&mut self) {
        let entry = Entry { after: 0, outputs: Vec::new(), drained: false, input: Input::Full };
        frame::append(&mut self.buffer, &entry);
        self.hand_over();
        self.is_over = true;
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
