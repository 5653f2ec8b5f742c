//! Commands that do nothing much: what an exchange costs, one by one and a thousand in one write.

use std::io;

use super::Trial;

/// As many as go out in one write.
const BATCH: usize = 1000;

pub(super) fn noop(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    one_by_one(trial, "NOOP", 200)
}

pub(super) fn pwd(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    one_by_one(trial, "PWD", 257)
}

pub(super) fn noop_pipelined(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    pipelined(trial, "NOOP", 200)
}

pub(super) fn pwd_pipelined(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    pipelined(trial, "PWD", 257)
}

fn one_by_one(trial: &Trial<'_>, command: &str, code: u16) -> io::Result<Vec<f64>> {
    repeat(trial, trial.amounts.commands, 1, command, code)
}

fn pipelined(trial: &Trial<'_>, command: &str, code: u16) -> io::Result<Vec<f64>> {
    repeat(trial, trial.amounts.pipelined, BATCH, command, code)
}

fn repeat(trial: &Trial<'_>, count: usize, batch: usize, command: &str, code: u16) -> io::Result<Vec<f64>> {
    let lines = format!("{command}\r\n").repeat(batch);
    let say = |sessions, count| {
        trial.reactor.each(sessions, |_, mut session: crate::session::Session| {
            let lines = &lines;
            async move {
                for _ in 0..count / batch {
                    session.send(lines.as_bytes()).await?;
                    for _ in 0..batch {
                        session.reply(command, &[code]).await?;
                    }
                }
                Ok(session)
            }
        })
    };
    let sessions = say(trial.sessions(1, false)?, BATCH)?;
    let cost = trial.measure(|| say(sessions, count).map(drop))?;
    Ok(vec![cost.milliseconds_per_thousand(count)])
}
