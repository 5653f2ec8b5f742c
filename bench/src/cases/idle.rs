//! Sessions that do nothing, and what memory each of them takes.

use std::io;

use super::Trial;
use crate::memory;
use crate::session::Session;

pub(super) fn plain(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    memory_of_each(trial, trial.amounts.idle, false).map(|each| vec![each])
}

pub(super) fn secure(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    memory_of_each(trial, trial.amounts.idle, true).map(|each| vec![each])
}

/// What so many sessions add beyond as many that were there before them: what a server allocates once does not count.
fn memory_of_each(trial: &Trial<'_>, count: usize, secure: bool) -> io::Result<f64> {
    let first = open(trial, count, secure)?;
    let before = memory_at_rest(trial)?;
    let second = open(trial, count, secure)?;
    let after = memory_at_rest(trial)?;
    answer(trial, first)?;
    answer(trial, second)?;
    Ok((after as f64 - before as f64) / count as f64)
}

pub(super) fn held(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    let before = memory_at_rest(trial)?;
    let sessions = open(trial, trial.amounts.held, false)?;
    let after = memory_at_rest(trial)?;
    let held = answer(trial, sessions)?;
    Ok(vec![held as f64, (after as f64 - before as f64) / held as f64])
}

fn memory_at_rest(trial: &Trial<'_>) -> io::Result<u64> {
    trial.server.account.cpu_at_rest()?;
    memory::total(&trial.server.account)
}

fn open(trial: &Trial<'_>, count: usize, secure: bool) -> io::Result<Vec<Vec<Session>>> {
    let target = trial.target();
    trial.crowd(count, |handle| {
        let target = &target;
        async move {
            let mut session = Session::open(&handle, target, secure).await?;
            session.prepare().await?;
            Ok(session)
        }
    })
}

/// Every session has to be alive still. How many there are.
fn answer(trial: &Trial<'_>, sessions: Vec<Vec<Session>>) -> io::Result<usize> {
    let alive = trial.reactor.each(sessions, |_, mut sessions| async move {
        for session in &mut sessions {
            session.command("NOOP", &[200]).await?;
        }
        Ok(sessions.len())
    })?;
    Ok(alive.into_iter().sum())
}
