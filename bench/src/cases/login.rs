//! Connect, log in, quit.

use std::io;

use super::Trial;
use crate::session::Session;

pub(super) fn plain(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    logins(trial, trial.amounts.logins, false)
}

pub(super) fn secure(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    logins(trial, trial.amounts.secure_logins, true)
}

fn logins(trial: &Trial<'_>, count: usize, secure: bool) -> io::Result<Vec<f64>> {
    let target = trial.target();
    let all = |count| {
        trial.crowd(count, |handle| {
            let target = &target;
            async move { Session::open(&handle, target, secure).await?.quit().await }
        })
    };
    all(50)?;
    let cost = trial.measure(|| all(count).map(drop))?;
    Ok(vec![cost.milliseconds_per_thousand(count)])
}
