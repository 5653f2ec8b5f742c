//! How sessions begin: in clear or under TLS, with a login that is right or, at first, wrong.

use crate::client::Visit;
use crate::control::Over;
use crate::scene::password;
use crate::truth::What;
use crate::world::lock;

impl Visit<'_> {
    /// Takes the greeting.
    pub(crate) async fn begin(&mut self, is_implicit: bool, may_be_full: bool) -> Result<(), Over> {
        if let Some(tls) = self.tls.clone().filter(|_| is_implicit) {
            if self.client.chance.one_in(12) {
                return self.spoil(&tls).await;
            }
            self.control.secure(&tls, may_be_full).await?;
            self.is_secured();
        }
        self.control.be_greeted(may_be_full).await
    }

    /// Goes under TLS if it wants to, and logs in, after some mistakes perhaps.
    pub(crate) async fn enter(&mut self, is_implicit: bool) -> Result<(), Over> {
        if self.tls.is_some() && !is_implicit {
            if self.client.chance.one_in(6) {
                // What is said in clear does not count under TLS.
                self.log_in().await?;
                self.control.logged_out = Some(self.control.now());
            }
            self.secure().await?;
            self.ask("PWD", &[530]).await?;
        }
        let protects_before = self.client.chance.one_in(2);
        if protects_before {
            self.protect().await?;
        }
        if self.client.chance.one_in(8) {
            self.ask("RETR x", &[530]).await?;
            self.ask("PASS x", &[503]).await?;
        }
        if self.client.chance.one_in(40) {
            // Says nothing until the server has had enough.
            self.control.reply().await?;
            panic!("{}: a reply to nothing", self.client.who());
        }
        let mistakes = if self.client.chance.one_in(6) { self.client.chance.between(1, 3) } else { 0 };
        for mistake in 1..=mistakes {
            self.log_in_wrongly(mistake == 3).await?;
        }
        self.log_in().await?;
        if protects_before { Ok(()) } else { self.protect().await }
    }

    async fn log_in(&mut self) -> Result<(), Over> {
        let user = self.client.user.name;
        let seen = self.expect_hook(What::Login(user.to_owned()));
        let (name, pass) = (format!("USER {user}"), format!("PASS {}", password(user)));
        if self.client.chance.one_in(3) {
            self.control.say_all(&[&name, &pass]).await;
            let reply = self.control.reply().await?;
            self.check(&name, &reply, &[331]);
            let reply = self.control.reply().await?;
            self.check(&pass, &reply, &[230]);
        } else {
            self.ask(&name, &[331]).await?;
            self.ask(&pass, &[230]).await?;
        }
        self.is_sure(seen);
        self.control.logged_out = None;
        lock(&self.client.common.counts).logins += 1;
        Ok(())
    }

    /// Says who it is anew, after REIN or without.
    pub(crate) async fn log_in_again(&mut self) -> Result<(), Over> {
        self.control.logged_out = Some(self.control.now());
        if self.client.chance.one_in(2) {
            self.ask("REIN", &[220]).await?;
            self.image = false;
            self.ask("PWD", &[530]).await?;
        }
        self.log_in().await
    }

    async fn log_in_wrongly(&mut self, is_last: bool) -> Result<(), Over> {
        let user = if self.client.chance.one_in(2) { self.client.user.name } else { "stranger" };
        self.ask(&format!("USER {user}"), &[331]).await?;
        let seen = self.expect_hook(What::WrongLogin(user.to_owned()));
        let reply = self.ask("PASS wrong", &[530]).await?;
        self.is_sure(seen);
        let ends = reply.lines[0].contains("too many");
        assert_eq!(ends, is_last, "{}: {reply:?}", self.client.who());
        if is_last {
            self.control.left = true;
            self.control.expect_end().await;
            return Err(Over);
        }
        Ok(())
    }
}
