//! A directory with very many entries: what it costs, how soon it begins, and what memory it takes.

use std::io;

use super::Trial;
use crate::content::{CROWD, FEW};
use crate::memory;
use crate::session::{Listing, Session};

pub(super) fn list(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    listing(trial, "LIST")
}

pub(super) fn mlsd(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    listing(trial, "MLSD")
}

fn listing(trial: &Trial<'_>, command: &str) -> io::Result<Vec<f64>> {
    let sessions = trial.sessions(1, false)?;
    let (sessions, _) = enter_and_list(trial, sessions, &format!("CWD {FEW}"), command)?;
    let (sessions, _) = enter_and_list(trial, sessions, &format!("CWD ../{FEW}"), command)?;
    let mut sessions = sessions;
    let mut listing = None;
    let cost = trial.measure(|| {
        let (again, listed) =
            enter_and_list(trial, std::mem::take(&mut sessions), &format!("CWD ../{CROWD}"), command)?;
        sessions = again;
        listing = Some(listed);
        Ok(())
    })?;
    let listing = listing.ok_or_else(|| io::Error::other("no listing"))?;
    check(listing, trial.tree.crowd)?;
    // A second time, since to look at the memory takes the server's time.
    let growth = memory::growth(&trial.server.account, || {
        let (_, listing) = enter_and_list(trial, sessions, "NOOP", command)?;
        check(listing, trial.tree.crowd)
    })?;
    Ok(vec![cost.cpu.as_secs_f64(), listing.first_byte.as_secs_f64() * 1e3, growth as f64 / 1024.0])
}

fn enter_and_list(
    trial: &Trial<'_>,
    sessions: Vec<Session>,
    enter: &str,
    command: &str,
) -> io::Result<(Vec<Session>, Listing)> {
    let results = trial.reactor.each(sessions, |_, mut session: Session| async move {
        session.command(enter, &[200, 250]).await?;
        let listing = session.list(command).await?;
        Ok((session, listing))
    })?;
    let (sessions, listings): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let listing = listings.first().copied().ok_or_else(|| io::Error::other("no listing"))?;
    Ok((sessions, listing))
}

/// All the files, and at most a line for the directory, one for its parent and one for their total.
fn check(listing: Listing, files: usize) -> io::Result<()> {
    if (files..=files + 3).contains(&listing.lines) {
        return Ok(());
    }
    let text = format!("a listing of {files} files has {} lines", listing.lines);
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}
