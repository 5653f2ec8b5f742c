//! Whether the final reply to a transfer is right, as things stand, and whether it came at the right time.

use std::time::Duration;

use ftp_proto::Instant;

use crate::client::Visit;
use crate::data::DataEnd;
use crate::plan::{Conduct, Plan};
use crate::pool::OUTAGE;
use crate::shelf::brief;
use crate::transfer::{Heard, Job};
use crate::world::Climate;

impl Visit<'_> {
    /// Whether the final reply is right.
    pub(crate) fn judge(&self, job: &Job, plan: &Plan, heard: &Heard, data: &DataEnd, listener: &str, began: Instant) {
        let (who, code) = (self.client.who(), heard.code.unwrap_or_default());
        let (tls, protects) = (self.client.common.scene.tls, self.control.protects);
        let is_hit = self.is_hit(job, data, listener, began);
        let disturbed = plan.disturbs();
        let behaves = plan.conduct.is_good(tls.is_some_and(|tls| tls.lenient_eof));
        // Another TLS session than that of the control connection is not wanted everywhere.
        let is_refused = protects && tls.is_some_and(|tls| tls.requires_reuse) && data.resumed != Some(true);
        let may_be_full = self.client.common.scene.capacity.is_some() && job.upload.is_some();
        let stops = self.client.common.truth.stops();
        let well = behaves && !is_refused && !disturbed && !is_hit && !may_be_full && !stops && !job.is_shared;
        let line = &job.line;
        let reads_on = matches!(plan.conduct, Conduct::Good | Conduct::HalfClosed) && job.upload.is_none();
        let succeeds = code == 226 && (data.clean || !reads_on);
        assert!(!well || succeeds, "{who}: {line}: {code} although all is well, {}", brief(data));
        let spoils = matches!(plan.conduct, Conduct::Breach(_) | Conduct::Reset(_));
        let may_fail = protects && (spoils || is_refused || is_hit || disturbed);
        let known = match code {
            550 => job.is_shared,
            522 => may_fail,
            _ => matches!(code, 226 | 425 | 426 | 450 | 451 | 452),
        };
        assert!(known, "{who}: {line}: {code}");
        if code == 226 && job.upload.is_some() {
            assert!(data.sent_end, "{who}: {line}: 226 although the client has not sent an end");
        }
        if code == 226 {
            assert!(heard.announced.is_some(), "{who}: {line}: 226 without 150");
            // Of what got lost on its way a client does not know.
            assert!(!is_refused || data.hit, "{who}: {line}: 226 although the TLS session is another");
            assert!(!protects || data.resumed.is_some() || data.hit, "{who}: {line}: 226 without TLS");
            let is_foreign = self.foreign_tls.is_some() && data.resumed == Some(true);
            assert!(!is_foreign, "{who}: {line}: the TLS session of another control connection is resumed");
        }
        self.judge_order(job, heard, data);
        self.judge_tickets(job, data, code == 226 && data.clean);
        let Climate { latency, pipe, .. } = self.client.common.scene.climate;
        let in_time = data.done && data.quick && latency <= Duration::from_millis(1) && pipe > 2000;
        if reads_on && in_time && !data.hit && data.secured && !stops {
            assert!(data.clean, "{who}: {line}: {code}, and the connection ends without close_notify");
        }
        if code == 226 && reads_on && data.done && !data.hit {
            assert!(data.clean, "{who}: {line}: 226, and the stream has no end");
        }
        if code == 226 {
            self.judge_speed(job, data, plan.conduct == Conduct::Good && !is_hit);
        }
        if matches!(code, 451 | 452) {
            assert!(is_hit || may_be_full, "{who}: {line}: {code} although no disk has failed");
        }
    }

    /// Whether something was done to the transfer that nobody there could help.
    fn is_hit(&self, job: &Job, data: &DataEnd, listener: &str, began: Instant) -> bool {
        let world = &self.control.world;
        data.hit
            || self.control.is_hit()
            || world.was_hit(&format!("path {}", job.path), began)
            || world.was_hit(&format!("path {}", self.client.home()), began)
            || world.was_hit(listener, began)
    }

    /// Whether the server had a reason to end the session because its transfer stalls.
    pub(crate) fn judge_stall(&self, job: &Job, plan: &Plan, data: &DataEnd, listener: &str, began: Instant) {
        let before = Instant::from_epoch(began.since_epoch().saturating_sub(OUTAGE));
        let is_hit = self.is_hit(job, data, listener, began) || self.control.world.was_hit("disk", before);
        let may = is_hit || plan.disturbs() || !plan.conduct.is_good(true);
        assert!(may, "{}: {} stalls although all is well, {}", self.client.who(), job.line, brief(data));
    }

    /// A client that has to resume TLS sessions gets another ticket whenever it reads data, and never else: it would not
    /// read it, and its system would answer with a reset.
    fn judge_tickets(&self, job: &Job, data: &DataEnd, is_well: bool) {
        let Some(tickets) = data.tickets else { return };
        let (who, line) = (self.client.who(), &job.line);
        if job.upload.is_some() {
            assert_eq!(tickets, 0, "{who}: {line}: tickets come with an upload");
        } else if is_well && self.client.common.scene.tls.is_some_and(|tls| tls.requires_reuse) {
            assert_eq!(tickets, 1, "{who}: {line}: tickets");
        }
    }

    /// Data leaves the server behind the reply that announces it, and before the one that says that all has gone.
    fn judge_order(&self, job: &Job, heard: &Heard, data: &DataEnd) {
        let (who, line) = (self.client.who(), &job.line);
        let announced = heard.announced.as_ref().map_or(u64::MAX, |reply| reply.left);
        let early = !data.received.is_empty() && data.began_at < announced;
        assert!(!early, "{who}: {line}: data leaves before it is announced");
        let late = heard.code == Some(226) && data.clean && data.ended_at > heard.left;
        assert!(!late, "{who}: {line}: 226 leaves before the end of the data");
    }

    /// Whether a transfer has kept to its speed limit, and has had all of it where nothing else was in its way.
    fn judge_speed(&self, job: &Job, data: &DataEnd, is_undisturbed: bool) {
        let scene = &self.client.common.scene;
        let Some(rate) = scene.rates[0] else { return };
        let took = self
            .client
            .common
            .truth
            .session(self.control.peer, |session| session.completed.saturating_since(session.announced));
        let bytes = data.sent.max(data.received.len()) as u64;
        // A tenth of a second is saved up beforehand, and what moves at a time goes beyond that.
        let least = Duration::from_millis(bytes.saturating_sub(rate / 10 + 1500) * 1000 / rate);
        let who = self.client.who();
        assert!(took >= least, "{who}: {}: {bytes} bytes in {took:?}, at {rate} a second", job.line);
        let most = Duration::from_millis(bytes * 1100 / rate + 1000);
        let late = is_undisturbed && job.upload.is_none() && scene.sole_rate().is_some() && took > most;
        assert!(!late, "{who}: {}: {bytes} bytes take {took:?}, at {rate} a second", job.line);
    }
}
