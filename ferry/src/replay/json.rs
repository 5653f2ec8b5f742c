//! A replay for programs: one JSON object a line. Texts are those of the other form.

use ftp_driver::record::{Header, Input, Line, Step, What};
use ftp_proto::Output;
use ftp_types::Escaped;
use serde_json::{Value, json};

use super::text;

pub(super) fn header(header: &Header) -> String {
    json!({
        "kind": "record",
        "program": Escaped(header.program.as_bytes()).to_string(),
        "session": header.session,
        "began": text::began(header),
        "peer": header.peer.to_string(),
        "local": header.local.to_string(),
        "implicit_tls": header.implicit_tls,
    })
    .to_string()
}

/// The objects of a step.
pub(super) fn lines(step: &Step<'_>) -> Vec<String> {
    let objects: Vec<Value> = match step.what {
        What::Input(Input::Bytes(bytes)) => bytes.lines.iter().map(command).collect(),
        What::Input(input) => vec![json!({ "kind": "input", "text": text::given(input) })],
        What::Output(Output::Send(reply)) => {
            vec![json!({
                "kind": "reply",
                "code": reply.code().number(),
                "lines": text::reply_lines(reply),
            })]
        }
        What::Output(output) => vec![json!({ "kind": kind(output), "text": text::done(output) })],
    };
    objects.into_iter().map(|object| with_time(object, step)).collect()
}

fn command(line: &Line) -> Value {
    json!({ "kind": "command", "text": text::said(line), "masked": matches!(line, Line::Masked { .. }) })
}

fn kind(output: &Output) -> &'static str {
    match output {
        Output::Send(_) => "reply",
        Output::Start(_) => "start",
        Output::Cancel(_) => "cancel",
        Output::Release(_) => "release",
        Output::Notify(_) => "event",
        Output::Close(_) => "close",
    }
}

/// Seconds since the session began.
fn with_time(mut object: Value, step: &Step<'_>) -> String {
    object["at"] = json!(step.at.as_secs_f64());
    object.to_string()
}
