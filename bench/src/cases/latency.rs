//! How soon a command is answered while others transfer at full speed.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::Trial;
use crate::session::Session;
use crate::statistics::percentile;

const OTHERS: usize = 20;

/// From the start of one exchange to the start of the next.
const PERIOD: Duration = Duration::from_millis(1);

/// Exchanges that are not counted, while the transfers begin.
const FIRST: usize = 200;

pub(super) fn noop(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    let sessions = trial.sessions(OTHERS, false)?;
    let mut line = Line::open(trial)?;
    let stop = AtomicBool::new(false);
    let count = FIRST + trial.amounts.pings;
    let started = Instant::now();
    let (waits, bytes) = thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let waits = line.ask(count);
            stop.store(true, Ordering::Relaxed);
            waits
        });
        let bytes = trial.reactor.each(sessions, |_, mut session: Session| {
            let stop = &stop;
            async move { session.retrieve_until(&trial.tree.large, stop).await }
        });
        (asker.join(), bytes)
    });
    let elapsed = started.elapsed();
    let waits = waits.map_err(|_| io::Error::other("the asker panicked"))??;
    let bytes = bytes?;
    if bytes.contains(&0) {
        return Err(io::Error::other("one of the transfers never moved"));
    }
    let waits: Vec<f64> = waits[FIRST..].iter().map(|wait| wait.as_secs_f64() * 1e6).collect();
    let percent = |percent| percentile(&waits, percent).ok_or_else(|| io::Error::other("no exchanges"));
    let rate = bytes.iter().sum::<u64>() as f64 / 1e6 / elapsed.as_secs_f64();
    Ok(vec![percent(50)?, percent(99)?, rate])
}

/// A session on a thread of its own, so that nothing that the transfers do here delays it.
struct Line {
    reader: BufReader<TcpStream>,
}

impl Line {
    fn open(trial: &Trial<'_>) -> io::Result<Self> {
        let stream = TcpStream::connect(trial.server.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut line = Self { reader: BufReader::new(stream) };
        line.reply()?;
        if line.say("USER anonymous\r\n")? == 331 {
            line.say("PASS bench@example.com\r\n")?;
        }
        match line.say("NOOP\r\n")? {
            200 => Ok(line),
            code => Err(io::Error::other(format!("NOOP was answered by {code}"))),
        }
    }

    /// How long each answer took. One that is late does not make the next ones come in a burst.
    fn ask(&mut self, count: usize) -> io::Result<Vec<Duration>> {
        let mut waits = Vec::with_capacity(count);
        for _ in 0..count {
            let asked = Instant::now();
            self.say("NOOP\r\n")?;
            waits.push(asked.elapsed());
            thread::sleep(PERIOD.saturating_sub(asked.elapsed()));
        }
        Ok(waits)
    }

    fn say(&mut self, line: &str) -> io::Result<u16> {
        self.reader.get_mut().write_all(line.as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<u16> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((code, true)) = line.get(..4).map(|head| (&head[..3], head.ends_with(' '))) {
                return code.parse().map_err(io::Error::other);
            }
        }
    }
}
