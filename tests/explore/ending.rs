//! What has to come of every state in the end.

use std::time::Duration;

use ftp_proto::Timer;

use crate::{
    books::Verdict,
    subject::{Input, Outcome, Subject},
};

/// The most steps in which a session that is left alone has come to its end.
const STEPS: usize = 40;

/// The longest that a session whose client does nothing more may take, by the timeouts of the configuration.
const LONGEST: Duration = Duration::from_secs(3600);

/// All ends of a state within the bounds.
pub(crate) fn check(subject: &Subject) -> Verdict {
    all_is_answered(subject.fork()).map_err(when("all work ends well"))?;
    all_is_left(subject.fork()).map_err(when("the client leaves"))?;
    time_ends_it(subject.fork()).map_err(when("nothing but time goes on"))
}

/// Those of a state beyond the bounds, which is not walked on from: that its commands are answered, that nothing is left
/// when the client goes then, and, if a timer led there, that further ones end it in any order.
pub(crate) fn beyond(subject: &Subject, by_timer: bool) -> Verdict {
    if by_timer {
        timers_end_it(subject, STEPS).map_err(when("one timer after the other comes due"))?;
    }
    let answered = all_is_answered(subject.fork()).map_err(when("all work ends well"))?;
    all_is_left(answered).map_err(when("all work ends well and the client leaves"))
}

fn when(what: &str) -> impl Fn(String) -> String {
    move |broken| format!("{broken}; this comes when {what} from here on")
}

/// When all work ends well, every command gets its reply, unless the session ends.
fn all_is_answered(mut subject: Subject) -> Result<Subject, String> {
    finish(&mut subject)?;
    if subject.books.waiting.is_empty() && subject.books.announced.is_none() {
        return Ok(subject);
    }
    Err(format!("no reply comes to {:?} {:?}", subject.books.waiting, subject.books.announced))
}

/// Whichever timer is due first, and next, in the end the session closes.
fn timers_end_it(subject: &Subject, steps: usize) -> Verdict {
    let timers = &subject.control.timers;
    if steps == 0 || (timers.is_empty() && subject.books.closed.is_none()) {
        return Err(String::from("timers do not end the session"));
    }
    for timer in timers {
        let mut next = subject.fork();
        next.apply(Input::Due(*timer))?;
        timers_end_it(&next, steps - 1)?;
    }
    Ok(())
}

/// When the client is gone, nothing is left behind, however the work ends that was under way.
fn all_is_left(mut subject: Subject) -> Verdict {
    subject.apply(Input::Eof)?;
    finish(&mut subject)?;
    gone(&subject, "the client has gone")
}

/// When nothing happens any more, the timers end the session, by the clock.
fn time_ends_it(mut subject: Subject) -> Verdict {
    let end = subject.now + LONGEST;
    for _ in 0..STEPS {
        let Some(due) = subject.session.poll_timeout().filter(|due| *due <= end) else { break };
        subject.now = due;
        subject.apply(Input::Spurious)?;
    }
    if subject.books.closed.is_none() {
        return Err(String::from("time alone does not end the session"));
    }
    finish(&mut subject)?;
    gone(&subject, "time has ended the session")
}

fn gone(subject: &Subject, when: &str) -> Verdict {
    let left = &subject.books.resources;
    let ended = subject.books.closed.is_some() && subject.books.work.is_empty() && left.is_empty();
    if ended { Ok(()) } else { Err(format!("when {when}: {:?} and {left:?} are left", subject.books.closed)) }
}

/// Lets all work end: what was cancelled as dropped, all other well; and a reply that is held back come.
fn finish(subject: &mut Subject) -> Verdict {
    for _ in 0..STEPS {
        if let Some(work) = subject.books.work.first() {
            let outcome = if work.cancelled { Outcome::Dropped } else { Outcome::Done };
            subject.apply(Input::Answer(0, outcome))?;
        } else if subject.books.owed && subject.books.closed.is_none() {
            subject.apply(Input::Due(Timer::Delay))?;
        } else {
            return Ok(());
        }
    }
    Err(String::from("the work does not end"))
}
