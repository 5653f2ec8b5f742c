//! Command lines to try: sensible ones for where the machine stands, and odd ones.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::client::{LONGEST_LINE, Line};
use crate::machine::Machine;
use crate::syntax::verb_and_argument;

/// Commands that clients give one after the other. `#` stands for some number, and `~` for too many letters.
type Script = &'static [&'static str];

const LOGIN: &[Script] = &[
    &["USER alice", "PASS secret"],
    &["USER alice", "PASS secret"],
    &["USER alice", "PASS secret"],
    &["USER bob", "PASS x"],
    &["USER bob"],
    &["PASS secret"],
    &["USER anonymous", "PASS"],
    &["USER alice", "PASS secret", "PWD"],
    &["PASS secret", "USER alice"],
    &["USER alice", "USER bob", "PASS x"],
    &["USER al\u{7}ice"],
    &["REIN"],
    &["ACCT x"],
];

const SECURITY: &[Script] = &[
    &["PBSZ 0", "PROT P"],
    &["AUTH TLS"],
    &["auth ssl"],
    &["AUTH TLS-C"],
    &["AUTH TLS", "NOOP"],
    &["MKD d#", "AUTH TLS"],
    &["MKD d#", "AUTH TLS", "NOOP"],
    &["AUTH GSSAPI"],
    &["PROT C"],
    &["PROT P"],
    &["prot p"],
    &["PROT S"],
    &["PROT X"],
    &["PBSZ 0"],
    &["PBSZ 4294967295"],
    &["PBSZ 4294967296"],
    &["PBSZ x"],
    &["CCC"],
    &["ADAT x"],
];

const ARRANGE: &[Script] = &[
    &["PASV"],
    &["EPSV"],
    &["PASV"],
    &["EPSV"],
    &["PASV"],
    &["EPSV"],
    &["PORT 10,0,0,1,200,#"],
    &["EPRT |2|fd00::1|5#|"],
    &["PASV", "STOR f#"],
    &["EPSV", "LIST"],
    &["PORT 10,0,0,1,200,#"],
    &["EPRT |1|10.0.0.1|5#|"],
    &["EPRT |2|fd00::1|5#|"],
    &["EPSV 1"],
    &["EPSV 2"],
    &["PASV", "RETR f#"],
    &["EPSV", "STOR f#"],
    &["PASV", "LIST"],
    &["TYPE I", "PASV", "REST #", "RETR f#"],
    &["PASV", "PASV"],
    &["EPRT |2|::|5000|"],
    &["EPRT |2|::ffff:10.0.0.1|50#|"],
    &["PORT 10,0,0,2,200,10"],
    &["PORT 10,0,0,1,3,255"],
    &["PORT 10,0,0,1,0,0"],
    &["PORT 10,0,0,1,200"],
    &["PORT 0,0,0,0,200,10"],
    &["PORT 255,255,255,255,200,10"],
    &["EPRT |3|10.0.0.1|5000|"],
    &["EPRT |2|ff02::1|5000|"],
    &["EPRT |1|10.0.0.1|66000|"],
    &["EPRT x"],
    &["EPSV 3"],
    &["EPSV x"],
    &["EPSV ALL"],
];

const TRANSFER: &[Script] = &[
    &["RETR f#"],
    &["STOR f#"],
    &["LIST"],
    &["NLST -la dir"],
    &["MLSD"],
    &["STAT /dir"],
    &["APPE f"],
    &["STOU"],
    &["STOU dir/pre"],
    &["STOU /"],
    &["TYPE I", "REST #", "RETR f#"],
    &["TYPE I", "REST #", "STOR f#"],
    &["RETR f#", "ABOR"],
    &["STOR f", "STAT", "NOOP", "QUIT"],
    &["LIST -- -a"],
    &["LIST -name"],
    &["STAT -l x"],
    &["RETR a\u{0}b"],
];

const BESIDE: &[Script] = &[
    &["ABOR"],
    &["STAT"],
    &["NOOP"],
    &["USER bob", "PASS x"],
    &["REIN"],
    &["PWD"],
    &["PASV"],
    &["WHATEVER"],
    &["RETR"],
    &["CCC"],
    &["QUIT"],
    &["ABOR", "ABOR"],
    &["ABOR", "PASV", "RETR f#"],
    &["LIST", "ABOR"],
];

const ANYTHING: &[Script] = &[
    &["NOOP"],
    &["PWD"],
    &["CWD d#"],
    &["CWD /a//b/./c/../d"],
    &["CWD"],
    &["XCWD ../x"],
    &["CDUP"],
    &["MKD d#"],
    &["MKD say \"hi\"\r\n"],
    &["MKD \u{ff}"],
    &["XRMD d"],
    &["RMD /"],
    &["RNFR a#", "RNTO b#"],
    &["RNFR /"],
    &["RNFR a", "NOOP", "RNTO b"],
    &["RNFR a", "PWD", "RNTO b"],
    &["RNTO b"],
    &["RNFR a", "RNTO /"],
    &["DELE a"],
    &["SIZE f#"],
    &["TYPE I", "SIZE f#"],
    &["MDTM f"],
    &["MFMT 20200229030405 f"],
    &["MFMT 20210229030405 f"],
    &["MFMT 20200102030405"],
    &["MFMT 2020 f"],
    &["SITE CHMOD 644 f"],
    &["SITE CHMOD 0755 f"],
    &["SITE CHMOD 788 f"],
    &["SITE CHMOD 04755 f"],
    &["SITE CHMOD 644"],
    &["SITE HELP"],
    &["SITE HELP chmod"],
    &["SITE HELP x"],
    &["SITE UTIME x"],
    &["SITE  x"],
    &["MLST"],
    &["MLST f#"],
    &["TYPE I"],
    &["TYPE A"],
    &["type a n"],
    &["TYPE L8"],
    &["TYPE L 8"],
    &["TYPE E"],
    &["TYPE L 9"],
    &["TYPE X"],
    &["TYPE A N N"],
    &["STRU F"],
    &["STRU R"],
    &["STRU X"],
    &["MODE s"],
    &["MODE B"],
    &["MODE X"],
    &["TYPE I", "REST #"],
    &["REST #"],
    &["REST -1"],
    &["REST 9223372036854775807"],
    &["REST 9223372036854775808"],
    &["REST #", "TYPE A", "RETR f"],
    &["TYPE I", "REST #", "RETR ~", "RETR f"],
    &["TYPE I", "REST #", "WHATEVER", "RETR f"],
    &["RNFR a", "RNTO ~", "RNTO b"],
    &["REST #", "APPE f"],
    &["REST #", "STOU"],
    &["ALLO 5"],
    &["FEAT"],
    &["OPTS UTF8 ON"],
    &["OPTS utf-8 off"],
    &["OPTS UTF8 x"],
    &["OPTS MLST size;TYPE;nonsense;"],
    &["OPTS MLST"],
    &["OPTS MLST size"],
    &["OPTS MLST size; type;"],
    &["OPTS NLST x"],
    &["HELP"],
    &["HELP retr"],
    &["HELP x"],
    &["SYST"],
    &["CLNT me"],
    &["STAT"],
    &["ABOR"],
    &["HOST x"],
    &["WHATEVER"],
    &[""],
    &["NOOP "],
    &["\tNOOP"],
    &["NO OP"],
    &["NOOP  "],
    &["GET / HTTP/1.1", "DELE f"],
    &["QUIT", "NOOP"],
];

/// What a number chosen at random makes of the tables above: a script, how its lines are spelt, and its number.
type Choice = (u16, u16, u8, u16);

fn choice() -> impl Strategy<Value = Choice> {
    (any::<u16>(), any::<u16>(), any::<u8>(), 0..1000_u16)
}

/// Lines for one write.
pub(crate) fn lines(machine: &Machine) -> impl Strategy<Value = Vec<Line>> + use<> {
    let tables = tables(machine);
    let scripts = prop_oneof![16 => vec(choice(), 1), 6 => vec(choice(), 1..5), 1 => vec(choice(), 1..24)];
    scripts.prop_map(move |choices| choices.into_iter().flat_map(|choice| spelt(&tables, choice)).collect())
}

/// One line.
pub(crate) fn line(machine: &Machine) -> impl Strategy<Value = Line> + use<> {
    let tables = tables(machine);
    choice().prop_map(move |choice| spelt(&tables, choice).remove(0))
}

/// Which scripts make sense, each as often as it stands here.
fn tables(machine: &Machine) -> Vec<&'static [Script]> {
    let mut tables = vec![ANYTHING];
    if machine.setup.tls.is_some() && !machine.data_goes_under_tls() {
        tables.push(SECURITY);
    }
    if machine.user().is_none() {
        tables.extend([LOGIN; 5]);
    } else if machine.is_transferring() {
        tables.extend([BESIDE; 3]);
    } else if machine.has_data_channel() {
        tables.extend([TRANSFER; 5]);
    } else {
        tables.extend([ARRANGE, ARRANGE, ARRANGE, TRANSFER, ARRANGE]);
    }
    tables
}

fn spelt(tables: &[&'static [Script]], (table, script, spelling, number): Choice) -> Vec<Line> {
    let table = tables[usize::from(table) % tables.len()];
    let script = table[usize::from(script) % table.len()];
    let number = number.to_string();
    let filled = |text: &str| text.replace('#', &number).replace('~', &"x".repeat(LONGEST_LINE));
    script.iter().map(|text| one_line(&filled(text), spelling)).collect()
}

/// Most lines are spelt as they stand in the table.
fn one_line(text: &str, spelling: u8) -> Line {
    // Chars up to 0xFF are meant as bytes.
    let text: Vec<u8> = text.chars().map(|letter| letter as u8).filter(|byte| *byte != b'\n').collect();
    let (verb, argument) = verb_and_argument(&text);
    let mut line = Line::plain(text);
    line.synch = verb == "ABOR" && spelling % 2 == 1;
    match spelling {
        200 => line.text = line.text.to_ascii_lowercase(),
        201 => line.text.splice(..0, *b" \t").for_each(drop),
        202 => line.text.extend_from_slice(b" x"),
        203 if !argument.is_empty() => line.text = verb.into_bytes(),
        204 => line.text.push(b' '),
        205 | 206 => line.noise = !line.text.is_empty(),
        207..=212 => line.bare_lf = true,
        213 => line.synch = true,
        214 => line.text.resize(LONGEST_LINE, b'x'),
        215 => line.text.resize(LONGEST_LINE + 1 + usize::from(argument.len() as u8), b'x'),
        _ => {}
    }
    line
}
