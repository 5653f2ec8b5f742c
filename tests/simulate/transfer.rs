//! Transfers as a client does them: a data connection arranged in one of four ways, a command, perhaps another one beside
//! it, and the replies in the order that the protocol allows.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ftp_proto::Instant;

use crate::client::Visit;
use crate::control::{Over, Reply, SLACK, within};
use crate::data::{DataEnd, DataTask, Place, intrude};
use crate::plan::{Extra, Plan};
use crate::scene::SERVER;
use crate::truth::What;
use crate::world::lock;

/// What is to be transferred.
pub(crate) struct Job {
    pub(crate) line: String,
    /// Where; ending in a star, if only the beginning is known.
    pub(crate) path: String,
    /// What to send; `None` to receive.
    pub(crate) upload: Option<Vec<u8>>,
    pub(crate) is_listing: bool,
    /// Whether others change the file meanwhile.
    pub(crate) is_shared: bool,
}

/// What came of it.
pub(crate) struct Outcome {
    /// The final reply.
    pub(crate) code: u16,
    /// The preliminary one.
    pub(crate) announced: Option<Reply>,
    pub(crate) data: DataEnd,
    /// The session ends with it.
    pub(crate) over: bool,
}

/// The replies to a transfer and to what was said beside it.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) announced: Option<Reply>,
    pub(crate) code: Option<u16>,
    /// When that left the server.
    pub(crate) left: u64,
    unanswered: Option<Extra>,
    quit: bool,
}

impl Visit<'_> {
    /// Arranges a data connection; `None` when the server has no port for it.
    pub(crate) async fn arrange(&mut self) -> Result<Option<Place>, Over> {
        let from = self.client.fresh_address();
        let place = match self.client.chance.below(4) {
            0 | 1 => {
                let extended = self.client.chance.one_in(2);
                let Some(port) = self.passive(extended).await? else { return Ok(None) };
                let to = SocketAddr::from((SERVER, port));
                self.perhaps_intrude(to);
                Place::Passive { from, to }
            }
            extended => {
                let listener = self.control.world.listen_at(from);
                let line = if extended == 2 { eprt(from) } else { port(from) };
                self.ask(&line, &[200]).await?;
                Place::Active(listener)
            }
        };
        self.control.arranged = Some(self.control.now());
        Ok(Some(place))
    }

    async fn passive(&mut self, extended: bool) -> Result<Option<u16>, Over> {
        let (line, code) = if extended { ("EPSV", 229) } else { ("PASV", 227) };
        let began = self.control.now();
        let reply = self.ask(line, &[code, 425]).await?;
        if reply.code == 425 {
            // One that was given back may be on its way to somebody who has waited for it.
            let since = Instant::from_epoch(began.since_epoch().saturating_sub(Duration::from_secs(1)));
            let world = &self.control.world;
            let may = world.state().was_full(since) || world.was_hit("listen", since);
            assert!(may, "{}: {line}: {reply:?}, and ports are free", self.client.who());
            return Ok(None);
        }
        let port = if extended { extended_port(&reply.lines[0]) } else { passive_port(&reply.lines[0]) };
        Ok(Some(port.unwrap_or_else(|| panic!("{}: {reply:?} tells no port", self.client.who()))))
    }

    /// Sometimes somebody else comes first.
    fn perhaps_intrude(&mut self, to: SocketAddr) {
        if self.client.chance.one_in(8) {
            let from = SocketAddr::from((Ipv4Addr::new(10, 250, 0, 1), self.client.number as u16 + 1024));
            let world = self.control.world.clone();
            world.spawn(format!("intruder at {to}"), intrude(world.clone(), from, to));
        }
    }

    /// Transfers something. The caller judges what has come of it; whether the replies were right is judged here.
    pub(crate) async fn transfer(&mut self, job: Job) -> Result<Option<Outcome>, Over> {
        let plan = self.plan(job.upload.is_some());
        let restarts = std::mem::take(&mut self.restarts);
        // What befalls the listener may do so before the client hears of it.
        let began = self.control.now();
        let Some(place) = self.arrange().await? else { return Ok(None) };
        let listener = match &place {
            Place::Passive { to, .. } => format!("listener {to}"),
            Place::Active(listener) => format!("listener {}", listener.address),
        };
        let chance = self.client.chance.fork();
        let tls = self.data_tls();
        let begin = DataTask::begin(&self.control.world, chance, place, plan.conduct, tls, job.upload.clone());
        if !plan.early {
            // It is under way all the same; the command is not.
            let wait = self.client.chance.micros(Duration::from_millis(50));
            self.control.world.sleep(wait).await;
        }
        if !restarts && self.client.may('l') && self.client.chance.one_in(16) {
            // Goes over the control connection, whatever waits beside it.
            self.list_by_status().await?;
        }
        let hook = (!job.is_listing).then(|| self.expect_hook(self.file_seen(&job, None, 0, u64::MAX)));
        let heard = self.talk(&job, &plan, hook).await;
        if heard.is_err() && self.control.stalled {
            self.judge_stall(&job, &plan, &begin.so_far(), &listener, began);
        }
        let Some(heard) = self.note_unless_over(heard, &begin, &job, hook)? else { return Ok(None) };
        let data = begin.join().await;
        let code = heard.code.expect("the talk goes on until there is one");
        self.count_protected(&data);
        self.note_seen(&job, hook, &heard, &data);
        self.judge(&job, &plan, &heard, &data, &listener, began);
        self.control.arranged = None;
        Ok(Some(Outcome { code, announced: heard.announced, data, over: heard.quit }))
    }

    fn count_protected(&self, data: &DataEnd) {
        let mut counts = lock(&self.client.common.counts);
        counts.protected += u64::from(data.resumed.is_some());
        counts.resumed += u64::from(data.resumed == Some(true));
    }

    /// Sends the command, and what is to be sent beside it, and takes all replies.
    async fn talk(&mut self, job: &Job, plan: &Plan, hook: Option<usize>) -> Result<Heard, Over> {
        let mut heard = Heard::default();
        let mut lines = vec!["STAT"; plan.noise];
        lines.push(&*job.line);
        let extra = plan.extra.filter(|_| plan.at_once);
        lines.extend(extra.and_then(Extra::line));
        self.control.say_all(&lines).await;
        if let Some(extra) = extra {
            self.begin_extra(extra, &mut heard).await?;
        }
        self.hear_noise(plan.noise).await?;
        while heard.code.is_none() || heard.unanswered.is_some() {
            let reply = self.control.reply().await?;
            if reply.code < 200 {
                self.take_preliminary(job, reply, &mut heard);
                // However it ends from now on, a hook has to tell of it.
                hook.into_iter().for_each(|place| self.is_sure(place));
                if let Some(extra) = plan.extra.filter(|_| !plan.at_once) {
                    self.control.world.sleep(plan.delay).await;
                    if let Some(line) = extra.line() {
                        self.control.say(line).await;
                    }
                    self.begin_extra(extra, &mut heard).await?;
                }
            } else {
                self.take_final(job, &reply, &mut heard);
            }
        }
        if heard.quit {
            self.control.left = true;
            self.control.expect_end().await;
        }
        Ok(heard)
    }

    async fn hear_noise(&mut self, count: usize) -> Result<(), Over> {
        if count > 0 {
            self.control.world.sleep(Duration::from_secs(1)).await;
        }
        for _ in 0..count {
            let reply = self.control.reply().await?;
            self.check("STAT", &reply, &[211]);
        }
        Ok(())
    }

    async fn begin_extra(&mut self, extra: Extra, heard: &mut Heard) -> Result<(), Over> {
        match extra {
            Extra::HalfClose => {
                let regularly = self.client.chance.one_in(2);
                self.control.half_close(regularly).await;
            }
            Extra::Vanish(by_reset) => {
                self.control.vanish(by_reset);
                return Err(Over);
            }
            Extra::Quit if self.client.chance.one_in(3) => {
                // What was asked for goes on, with TLS ended as it should be or not.
                if self.client.chance.one_in(2) {
                    self.control.stream.send_end();
                } else {
                    let _ = within(&self.control.world, SLACK, self.control.stream.finish()).await;
                }
            }
            Extra::Abort => lock(&self.client.common.counts).aborts += 1,
            _ => {}
        }
        heard.unanswered = extra.line().map(|_| extra);
        Ok(())
    }

    fn take_preliminary(&self, job: &Job, reply: Reply, heard: &mut Heard) {
        let fits = matches!(reply.code, 125 | 150) && heard.announced.is_none() && heard.code.is_none();
        assert!(fits, "{}: {}: {reply:?} after {:?}", self.client.who(), job.line, heard.announced);
        heard.announced = Some(reply);
    }

    /// A command beside a transfer is answered at any time after the preliminary reply, but for ABOR, which waits for
    /// the transfer's end.
    fn take_final(&self, job: &Job, reply: &Reply, heard: &mut Heard) {
        let (code, is_over) = (reply.code, heard.code.is_some());
        if let Some(extra) = heard.unanswered.filter(|extra| extra.is_answered_by(code, is_over)) {
            let in_turn = heard.announced.is_some() || is_over;
            assert!(in_turn, "{}: {extra:?} is answered before {}", self.client.who(), job.line);
            heard.unanswered = None;
            heard.quit |= extra == Extra::Quit;
            return;
        }
        assert!(!is_over, "{}: {}: {code} after {:?}", self.client.who(), job.line, heard.code);
        (heard.code, heard.left) = (Some(code), reply.left);
    }

    /// When the session is over, nobody knows how the transfer has ended.
    fn note_unless_over(
        &mut self,
        heard: Result<Heard, Over>,
        task: &DataTask,
        job: &Job,
        hook: Option<usize>,
    ) -> Result<Option<Heard>, Over> {
        if heard.is_err() {
            lock(&self.client.common.counts).cut += 1;
            let data = task.so_far();
            let most = job.upload.as_ref().map_or(u64::MAX, |_| data.sent as u64);
            // What has no end is not whole.
            let whole = (job.upload.is_some() && !data.sent_end).then_some(false);
            let seen = self.file_seen(job, whole, 0, most);
            self.set_seen(hook, seen);
        }
        heard.map(Some)
    }

    fn note_seen(&self, job: &Job, hook: Option<usize>, heard: &Heard, data: &DataEnd) {
        if heard.announced.is_none() {
            if hook.is_some() {
                self.forget_hook();
            }
            return;
        }
        let whole = heard.code == Some(226);
        let (least, most) = match (&job.upload, whole) {
            (Some(bytes), true) => (bytes.len(), bytes.len()),
            (Some(_), false) => (0, data.sent),
            (None, true) if data.clean => (data.received.len(), data.received.len()),
            (None, _) => (data.received.len(), usize::MAX),
        };
        let path = match (&heard.announced, job.path.strip_suffix('*')) {
            (Some(reply), Some(_)) => reply.lines[0].get(10..).map(|name| format!("{}/{name}", self.client.home())),
            _ => None,
        };
        let path = path.unwrap_or_else(|| job.path.clone());
        let what = What::File {
            upload: job.upload.is_some(),
            path,
            whole: Some(whole),
            least: least as u64,
            most: most as u64,
        };
        self.set_seen(hook, what);
    }

    fn file_seen(&self, job: &Job, whole: Option<bool>, least: u64, most: u64) -> What {
        What::File { upload: job.upload.is_some(), path: job.path.clone(), whole, least, most }
    }

    fn set_seen(&self, hook: Option<usize>, what: What) {
        let Some(place) = hook else { return };
        self.client.common.truth.session(self.control.peer, |session| session.seen[place].what = what);
    }
}

fn port(at: SocketAddr) -> String {
    let (host, port) = (at.ip().to_string().replace('.', ","), at.port());
    format!("PORT {host},{},{}", port / 256, port % 256)
}

fn eprt(at: SocketAddr) -> String {
    format!("EPRT |1|{}|{}|", at.ip(), at.port())
}

fn passive_port(line: &str) -> Option<u16> {
    let numbers = line.split_once('(')?.1.split_once(')')?.0;
    let numbers: Vec<u16> = numbers.split(',').map_while(|number| number.parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers[..] else { return None };
    (SERVER.map(u16::from) == [a, b, c, d]).then_some(high * 256 + low)
}

fn extended_port(line: &str) -> Option<u16> {
    line.split_once("(|||")?.1.split_once("|)")?.0.parse().ok()
}
