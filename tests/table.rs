//! What the command table promises holds for every verb in it.

use std::time::Duration;

use ferry_tests::Driver;
use ftp_proto::{Access, Argument, CommandInfo, Config, commands};

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
