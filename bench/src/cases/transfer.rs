//! Files, both ways: one large one, many at once, and many small ones in turn.

use std::io;

use super::Trial;
use crate::content::Content;
use crate::session::Session;

pub(super) fn down(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    downloads(trial, &trial.tree.large, 1, false)
}

pub(super) fn up(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    uploads(trial, &trial.tree.large, 1, false)
}

pub(super) fn secure_down(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    downloads(trial, &trial.tree.secret, 1, true)
}

pub(super) fn secure_up(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    uploads(trial, &trial.tree.secret, 1, true)
}

pub(super) fn many_down(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    downloads(trial, &trial.tree.medium, trial.amounts.clients, false)
}

pub(super) fn many_up(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    uploads(trial, &trial.tree.medium, trial.amounts.clients, false)
}

fn downloads(trial: &Trial<'_>, content: &Content, clients: usize, secure: bool) -> io::Result<Vec<f64>> {
    let download = |sessions, content| {
        trial.reactor.each(sessions, move |_, mut session: Session| async move {
            session.retrieve(content).await?;
            Ok(session)
        })
    };
    let sessions = download(trial.sessions(clients, secure)?, &trial.tree.small[0])?;
    let cost = trial.measure(|| download(sessions, content).map(drop))?;
    let bytes = content.size * clients as u64;
    Ok(vec![cost.seconds_per_gigabyte(bytes), cost.megabytes_per_second(bytes)])
}

fn uploads(trial: &Trial<'_>, content: &Content, clients: usize, secure: bool) -> io::Result<Vec<f64>> {
    let root = &trial.tree.root;
    let upload = |sessions: Vec<Session>, content, prefix| {
        trial.reactor.each(sessions.into_iter().enumerate(), move |_, (number, mut session)| async move {
            session.store(&format!("{prefix}-{number}"), root, content).await?;
            Ok(session)
        })
    };
    let sessions = upload(trial.sessions(clients, secure)?, &trial.tree.small[0], "first")?;
    trial.tree.take_uploads(&[])?;
    let cost = trial.measure(|| upload(sessions, content, "upload").map(drop))?;
    let expected: Vec<_> = (0..clients).map(|number| (format!("upload-{number}"), content)).collect();
    trial.tree.take_uploads(&expected)?;
    let bytes = content.size * clients as u64;
    Ok(vec![cost.seconds_per_gigabyte(bytes), cost.megabytes_per_second(bytes)])
}

pub(super) fn small_down(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    let files = &trial.tree.small;
    let sessions = trial.sessions(1, false)?;
    let download = |sessions, files| {
        trial.reactor.each(sessions, move |_, mut session: Session| async move {
            for content in files {
                session.retrieve(content).await?;
            }
            Ok(session)
        })
    };
    let sessions = download(sessions, &files[..files.len().min(100)])?;
    let cost = trial.measure(|| download(sessions, files).map(drop))?;
    Ok(vec![cost.milliseconds_per_thousand(files.len())])
}

pub(super) fn small_up(trial: &Trial<'_>) -> io::Result<Vec<f64>> {
    let (files, root) = (&trial.tree.small, &trial.tree.root);
    let sessions = trial.sessions(1, false)?;
    let upload = |sessions, files, prefix: &'static str| {
        trial.reactor.each(sessions, move |_, mut session: Session| async move {
            for (number, content) in std::iter::zip(0.., files) {
                session.store(&upload_name(prefix, number), root, content).await?;
            }
            Ok(session)
        })
    };
    let sessions = upload(sessions, &files[..files.len().min(100)], "first")?;
    trial.tree.take_uploads(&[])?;
    let cost = trial.measure(|| upload(sessions, files, "small").map(drop))?;
    let expected: Vec<_> =
        std::iter::zip(0.., files).map(|(number, file)| (upload_name("small", number), file)).collect();
    trial.tree.take_uploads(&expected)?;
    Ok(vec![cost.milliseconds_per_thousand(files.len())])
}

fn upload_name(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number:05}")
}
