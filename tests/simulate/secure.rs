//! How a session comes under TLS (RFC 4217), and what clients, and others in between, do wrong about it.

use std::time::Duration;

use crate::client::Visit;
use crate::control::{Over, SLACK, within};
use crate::data::DataTls;
use crate::tickets::ClientTls;
use crate::world::lock;

/// How a handshake is spoilt after its first bytes.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    /// Nothing more comes.
    Silence,
    /// Something does, byte by byte, but never all of it.
    Trickle,
    End,
    Reset,
    /// A command follows in clear.
    ClearText,
}

const SPOILS: [Spoil; 5] = [Spoil::Silence, Spoil::Trickle, Spoil::End, Spoil::Reset, Spoil::ClearText];

impl Visit<'_> {
    /// TLS for data connections, if that is agreed.
    pub(crate) fn data_tls(&self) -> Option<DataTls> {
        let tls = self.foreign_tls.as_ref().or(self.tls.as_ref()).filter(|_| self.control.protects)?.clone();
        let lenient_eof = self.client.common.scene.tls.is_some_and(|tls| tls.lenient_eof);
        Some(DataTls { tls, is_own: self.foreign_tls.is_none(), lenient_eof })
    }

    /// Sends AUTH, and goes on under TLS; or not, as some do.
    pub(crate) async fn secure(&mut self) -> Result<(), Over> {
        let Some(tls) = self.tls.clone() else { return Ok(()) };
        if self.client.chance.one_in(3) {
            self.ask("PBSZ 0", &[503]).await?;
            self.ask("PROT P", &[503]).await?;
            self.ask("AUTH X", &[504]).await?;
        }
        match self.client.chance.below(12) {
            0 => return self.inject(&tls).await,
            1 => {
                self.ask("AUTH TLS", &[234]).await?;
                return self.spoil(&tls).await;
            }
            _ => {}
        }
        self.ask("AUTH TLS", &[234]).await?;
        self.control.secure(&tls, false).await?;
        self.is_secured();
        Ok(())
    }

    pub(crate) fn is_secured(&self) {
        lock(&self.client.common.counts).secured += 1;
    }

    /// Somebody in between adds a command in clear, which must not run under TLS.
    async fn inject(&mut self, tls: &ClientTls) -> Result<(), Over> {
        let user = format!("USER {}", self.client.user.name);
        let line = *self.client.chance.pick(&["NOOP", "QUIT", "FEAT", &user]);
        self.control.say_all(&["AUTH TLS", line]).await;
        let reply = self.control.read_reply().await?;
        if reply.code == 421 {
            if !reply.lines[0].contains("behind AUTH") {
                self.control.check_farewell(&reply);
            }
        } else {
            self.check("AUTH TLS", &reply, &[234]);
            // It has come later, and is read as part of the handshake.
            let secured = self.control.secure(tls, true).await;
            assert!(secured.is_err(), "{}: TLS comes about in spite of {line} in clear", self.client.who());
        }
        self.control.left = true;
        Err(Over)
    }

    /// Begins a handshake that never ends. The server has to end it.
    pub(crate) async fn spoil(&mut self, tls: &ClientTls) -> Result<(), Over> {
        let spoil = *self.client.chance.pick(&SPOILS);
        let (since, peer, said) = (self.control.now(), self.control.peer, std::mem::take(&mut self.control.unread));
        let stream = &mut self.control.stream;
        let Self { client, .. } = self;
        let (world, truth) = (&client.common.world, &client.common.truth);
        world.note(format_args!("{peer} spoils the handshake: {spoil:?}"));
        let words = stream.first_words(tls);
        let len = client.chance.below(words.len());
        let _ = within(world, SLACK, stream.write_raw(&words[..len])).await;
        match spoil {
            Spoil::Silence => {}
            Spoil::Trickle => {
                for byte in &words[len..words.len() - 1] {
                    let written = within(world, SLACK, stream.write_raw(&[*byte])).await;
                    world.sleep(Duration::from_secs(1)).await;
                    if !matches!(written, Some(Ok(()))) || truth.session(peer, |session| session.over) {
                        break;
                    }
                }
            }
            Spoil::End => stream.send_end(),
            Spoil::Reset => stream.reset(),
            Spoil::ClearText => drop(within(world, SLACK, stream.write_raw(b"NOOP\r\nNOOP\r\n")).await),
        }
        let _ = within(world, SLACK, stream.read_refusal(said)).await;
        truth.over(peer).await;
        let ends = matches!(spoil, Spoil::End | Spoil::Reset) && !self.control.is_hit();
        let most = if ends { Duration::ZERO } else { self.control.timeouts.tls } + SLACK + SLACK;
        let took = self.control.now().saturating_since(since);
        assert!(took <= most, "{}: a handshake that does not end lasts {took:?}, {spoil:?}", self.client.who());
        self.control.left = true;
        Err(Over)
    }

    /// Says whether data goes under TLS, before its login or after.
    pub(crate) async fn protect(&mut self) -> Result<(), Over> {
        if !self.control.stream.is_secured() {
            return Ok(());
        }
        if !self.sized {
            self.ask("PROT P", &[503]).await?;
            self.ask("PBSZ 0", &[200]).await?;
            self.sized = true;
        }
        let protects = !self.client.chance.one_in(4);
        self.ask(if protects { "PROT P" } else { "PROT C" }, &[200]).await?;
        self.control.protects = protects;
        Ok(())
    }

    /// A command about TLS that changes nothing, and the code of its reply.
    pub(crate) fn talk_of_tls(&mut self) -> (&'static str, u16) {
        let prot = |code| if self.sized { code } else { 503 };
        match self.client.common.scene.tls {
            None => *self.client.chance.pick(&[("AUTH TLS", 502), ("PBSZ 0", 502), ("PROT P", 502)]),
            Some(_) if self.control.stream.is_secured() => *self.client.chance.pick(&[
                ("AUTH TLS", 503),
                ("PBSZ x", 501),
                ("PROT E", prot(536)),
                ("PROT X", prot(504)),
            ]),
            Some(_) => *self.client.chance.pick(&[("AUTH X", 504), ("PBSZ 0", 503), ("PROT P", 503)]),
        }
    }
}
