//! What the command table promises holds for every verb in it.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Access, Action, Argument, CommandInfo, Config, Secured, TlsPolicy, commands};

/// The codes that a line is answered with, by a session that answers its own questions and gets its data connections.
fn codes(user: Option<&str>, line: &str) -> Vec<u16> {
    let mut driver = Driver::new(Config { failed_login_delay: Duration::ZERO, ..Config::default() });
    driver.codes();
    if let Some(user) = user {
        driver.log_in(user, "secret");
    }
    driver.send(format!("{line}\r\n").as_bytes());
    driver.finish_all();
    let codes = driver.codes();
    driver.eof();
    driver.finish_all();
    driver.assert_nothing_left();
    codes
}

fn alone(info: &CommandInfo) -> String {
    info.name.to_owned()
}

fn with_argument(info: &CommandInfo) -> String {
    format!("{} readme.txt", info.name)
}

#[test]
fn every_verb_gets_one_final_reply_in_any_case_with_and_without_argument() {
    for info in commands() {
        for line in [alone(info), alone(info).to_lowercase(), with_argument(info), with_argument(info) + " x"] {
            for user in [None, Some("alice")] {
                let codes = codes(user, &line);
                // STAT with a path is a listing between two lines of one reply.
                let finals = codes.iter().filter(|code| **code >= 200).count() - usize::from(codes == [213, 213]);
                assert_eq!(finals, 1, "{line} of {user:?}: {codes:?}");
            }
        }
    }
}

#[test]
fn what_users_alone_may_is_530_to_all_others_whatever_the_argument() {
    for info in commands().filter(|info| info.offered) {
        let refused = |line: &str| codes(None, line) == [530];
        let (alone, with_argument) = (alone(info), with_argument(info));
        match info.access {
            Access::Users => assert!(refused(&alone) && refused(&with_argument), "{alone}"),
            Access::AnyoneBare => assert!(!refused(&alone) && refused(&with_argument), "{alone}"),
            Access::AnyoneSome => assert!(refused(&alone), "{alone}"),
            Access::Anyone => assert!(!refused(&alone), "{alone}"),
        }
    }
}

/// The commands that only a configuration with TLS offers; `tests/trace/transcripts/security.txt` has them.
fn needs_tls(info: &CommandInfo) -> bool {
    matches!(info.name, "AUTH" | "PBSZ" | "PROT")
}

#[test]
fn arguments_are_as_the_table_says() {
    for info in commands().filter(|info| info.offered && !needs_tls(info)) {
        match info.argument {
            Argument::Required => assert_eq!(codes(Some("alice"), &alone(info)), [501], "{}", info.name),
            Argument::None => assert_eq!(codes(Some("alice"), &with_argument(info)), [501], "{}", info.name),
            Argument::Optional => {
                assert_ne!(codes(Some("alice"), &alone(info)), [501], "{}", info.name);
            }
        }
    }
}

#[test]
fn what_is_not_offered_is_502_to_everyone() {
    for info in commands().filter(|info| !info.offered || needs_tls(info)) {
        for user in [None, Some("alice")] {
            assert_eq!(codes(user, &alone(info)), [502]);
            assert_eq!(codes(user, &with_argument(info)), [502]);
        }
    }
}

#[test]
fn help_knows_every_verb() {
    for info in commands() {
        assert_eq!(codes(None, &format!("HELP {}", info.name)), [214]);
    }
}

/// The verbs of RFC 959 §5.3.1 and of RFC 1123, 2389, 2428 and 3659 that Ferry promises.
#[test]
fn no_promised_verb_is_missing() {
    let promised = "USER PASS ACCT REIN QUIT CWD XCWD CDUP XCUP PWD XPWD MKD XMKD RMD XRMD PASV PORT EPSV EPRT TYPE STRU MODE \
                    RETR STOR APPE STOU REST ALLO RNFR RNTO DELE LIST NLST STAT MLSD MLST SIZE MDTM MFMT FEAT OPTS HELP \
                    NOOP SYST ABOR SITE CLNT";
    for verb in promised.split_whitespace() {
        assert!(commands().any(|info| info.name == verb && info.offered), "{verb}");
    }
}

/// A session under TLS whose client has presented a certificate: that of carol.
fn with_certificate() -> Driver {
    let tls = Some(TlsPolicy::default());
    let mut driver = Driver::new(Config { tls, failed_login_delay: Duration::ZERO, ..Config::default() });
    driver.send(b"AUTH TLS\r\n");
    match driver.ledger.take(|action| matches!(action, Action::StartTls(_))) {
        Some(Action::StartTls(ticket)) => driver.answer(ticket, Ok(Secured { client_certificate: true })),
        other => panic!("{other:?}"),
    }
    driver.codes();
    driver
}

#[test]
fn lines_sent_ahead_of_a_certificates_judgement_are_answered_as_if_they_had_waited() {
    const LINES: [&str; 6] = ["USER alice", "USER carol", "PASS secret", "PASS wrong", "REIN", "PWD"];
    let sequences = (0..LINES.len().pow(4))
        .map(|number| (0..4).map(|place| LINES[number / LINES.len().pow(place) % LINES.len()]).collect::<Vec<_>>());
    for lines in sequences {
        let mut patient = with_certificate();
        for line in &lines {
            patient.send(format!("{line}\r\n").as_bytes());
            patient.finish_all();
        }
        let mut hasty = with_certificate();
        hasty.send(format!("{}\r\n", lines.join("\r\n")).as_bytes());
        assert!(hasty.ledger.outstanding().count() <= 1, "{lines:?}");
        hasty.finish_all();
        let (expected, codes) = (patient.codes(), hasty.codes());
        assert_eq!(codes, expected, "{lines:?}");
        // Who is in after all is the same, too.
        assert_eq!(hasty.session.user(), patient.session.user(), "{lines:?}");
        for driver in [&mut patient, &mut hasty] {
            driver.eof();
            driver.finish_all();
            driver.assert_nothing_left();
        }
    }
}
