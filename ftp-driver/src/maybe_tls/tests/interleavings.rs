//! Both directions at once, in any order and any pieces.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What may happen next.
#[derive(Clone, Debug)]
enum Step {
    /// The client says so many bytes.
    Say(usize),
    /// It takes new keys (TLS 1.3), and asks for ours.
    RenewKeys,
    /// So much of what it said arrives, in one piece.
    Arrive(usize),
    /// From now on the socket takes nothing, or all again.
    Fill(bool),
    Read(usize),
    Write(usize),
    /// The client takes in what has come to it.
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let size = || prop_oneof![0..4_usize, 0..300_usize, 0..20_000_usize, 0..100_000_usize];
    let step = prop_oneof![
        size().prop_map(Step::Say),
        Just(Step::RenewKeys),
        size().prop_map(Step::Arrive),
        size().prop_map(Step::Arrive),
        any::<bool>().prop_map(Step::Fill),
        size().prop_map(|size| Step::Read(size + 1)),
        size().prop_map(|size| Step::Read(size + 1)),
        size().prop_map(Step::Write),
        Just(Step::Take),
    ];
    vec(step, 0..100)
}

struct Conversation {
    pair: Pair,
    /// On its way to the server, and not there.
    wire: Vec<u8>,
    said: Vec<u8>,
    heard: Vec<u8>,
    replied: Vec<u8>,
    taken: Vec<u8>,
}

impl Conversation {
    fn begin(version: &'static SupportedProtocolVersion, fragment: Option<usize>) -> Self {
        let mut pair = Pair::of(version, false, |config| config.max_fragment_size = fragment);
        pair.client.set_buffer_limit(None);
        pair.shake_hands(usize::MAX);
        let [wire, said, heard, replied, taken] = std::array::from_fn(|_| Vec::new());
        Self { pair, wire, said, heard, replied, taken }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Say(count) => {
                let text = text(self.said.len(), count);
                self.pair.client.writer().write_all(&text).unwrap();
                self.said.extend(text);
            }
            Step::RenewKeys if self.pair.client.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) => {
                self.pair.client.refresh_traffic_keys().unwrap();
            }
            Step::RenewKeys => {}
            Step::Arrive(count) => self.arrive(count),
            Step::Fill(is_full) => self.pair.server.stream.is_full = is_full,
            Step::Read(room) => self.read(room),
            Step::Write(count) => {
                let text = text(self.replied.len(), count);
                match self.pair.write(&text) {
                    Poll::Ready(written) => self.replied.extend(&text[..written.unwrap()]),
                    Poll::Pending => assert!(self.pair.server.stream.is_full),
                }
            }
            Step::Take => self.take(),
        }
        self.wire.extend(self.pair.said_by_client());
    }

    fn arrive(&mut self, count: usize) {
        let count = count.min(self.wire.len());
        if count > 0 {
            self.pair.server.stream.coming.push_back(self.wire.drain(..count).collect());
        }
    }

    fn read(&mut self, room: usize) {
        let mut buffer = vec![0; room];
        match self.pair.read(&mut buffer) {
            Poll::Ready(count) => self.heard.extend(&buffer[..count.unwrap()]),
            Poll::Pending => assert!(self.pair.server.stream.coming.is_empty(), "there is more to be read"),
        }
    }

    fn take(&mut self) {
        let taken = self.pair.take_by_client().unwrap();
        self.taken.extend(taken);
    }

    /// Both say their last words, behind which comes what is nobody's.
    fn end(mut self) {
        self.pair.server.stream.is_full = false;
        self.pair.client.send_close_notify();
        self.wire.extend(self.pair.said_by_client());
        self.wire.extend(b"behind the end");
        self.arrive(usize::MAX);
        let (rest, end) = self.pair.read_all(1000);
        self.heard.extend(rest);
        assert!(matches!(end, Poll::Ready(Ok(()))), "{end:?}");
        self.pair.close();
        self.take();
        assert!(self.heard == self.said, "{} of {} bytes were heard", self.heard.len(), self.said.len());
        assert!(self.taken == self.replied, "{} of {} bytes were taken", self.taken.len(), self.replied.len());
        assert_eq!(self.pair.client.reader().read(&mut [0]).unwrap(), 0, "the end was not told");
    }
}

/// So many bytes from that place of a text in which no two pieces are alike.
fn text(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|place| (place / 3 + place / 251) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_that_is_said_is_heard_once_and_in_order_whatever_happens_when(
        steps in steps(),
        is_new in any::<bool>(),
        fragment in prop_oneof![Just(None), (32..16_384_usize).prop_map(Some)],
    ) {
        let mut conversation = Conversation::begin(VERSIONS[usize::from(is_new)], fragment);
        steps.iter().for_each(|step| conversation.run(step));
        conversation.end();
    }
}
