//! Commands without data connections: small talk, alone and many at once, changes of the tree, and mistakes.

use crate::client::Visit;
use crate::control::{Over, Reply};
use crate::scene::VAULT;
use crate::shelf::State;
use crate::truth::What;

/// A command, the path that it looks at, the code of its right reply, and what has to be in that.
struct Talk {
    line: String,
    path: String,
    code: u16,
    has: String,
}

fn talk(line: impl Into<String>, code: u16) -> Talk {
    Talk { line: line.into(), path: String::new(), code, has: String::new() }
}

impl Visit<'_> {
    /// Says one thing or some at once; the replies come in the same order.
    pub(crate) async fn chat(&mut self) -> Result<(), Over> {
        let count = if self.client.chance.one_in(2) { 1 } else { self.client.chance.between(2, 30) };
        let mut image = self.image;
        let talks: Vec<Talk> = (0..count).map(|_| self.small_talk(&mut image)).collect();
        self.image = image;
        let began = self.control.now();
        let lines: Vec<&str> = talks.iter().map(|talk| &*talk.line).collect();
        self.control.say_all(&lines).await;
        for Talk { line, path, code, has } in &talks {
            let reply = self.control.reply().await?;
            self.check(line, &reply, &self.codes(path, began, *code));
            let fits = reply.code != *code || reply.lines.iter().any(|line| line.contains(has));
            assert!(fits, "{}: {line}: {reply:?} is without {has:?}", self.client.who());
        }
        Ok(())
    }

    fn small_talk(&mut self, image: &mut bool) -> Talk {
        let home = self.client.home();
        match self.client.chance.below(20) {
            0 => talk("NOOP", 200),
            1 => talk("SYST", 215),
            2 => talk("FEAT", 211),
            3 => talk("HELP", 214),
            4 => talk("STAT", 211),
            5 => talk("XYZZ", 500),
            6 => talk("RETR", 501),
            7 => talk("RNTO x", 503),
            8 => talk("PASS x", 503),
            9 => talk("ABOR", 225),
            10 => talk("STRU F", 200),
            11 => {
                let (line, code) = self.talk_of_tls();
                talk(line, code)
            }
            12 => talk("OPTS UTF8 ON", 200),
            13 => {
                *image = !*image;
                talk(if *image { "TYPE I" } else { "TYPE A" }, 200)
            }
            14 => Talk { path: home.clone(), has: format!("\"{home}\""), ..talk(format!("CWD {home}"), 250) },
            15 => Talk { path: "/".to_owned(), ..talk("CWD /", 250) },
            16 => Talk { path: format!("{home}/missing"), ..talk(format!("CWD {home}/missing"), 550) },
            17 => self.look("MDTM", 213, *image),
            18 => self.look("MLST", 250, *image),
            _ => self.look("SIZE", 213, *image),
        }
    }

    /// Asks about a file whose content is known.
    fn look(&mut self, verb: &str, code: u16, image: bool) -> Talk {
        let files: Vec<(String, usize)> =
            self.client.shelf.files.iter().map(|(path, content)| (path.clone(), content.len())).collect();
        if files.is_empty() {
            return talk("NOOP", 200);
        }
        let (path, len) = self.client.chance.pick(&files).clone();
        let refused = !self.client.may('l') || verb == "SIZE" && !image;
        let has = match verb {
            _ if refused => String::new(),
            "SIZE" => format!("213 {len}"),
            "MLST" => format!("size={len};"),
            _ => String::new(),
        };
        Talk { line: format!("{verb} {path}"), path, code: if refused { 550 } else { code }, has }
    }

    pub(crate) async fn change_tree(&mut self) -> Result<(), Over> {
        match self.client.chance.below(5) {
            0 => {
                let path = self.client.fresh_name();
                self.change("MKD", &path, 'm', 257, vec![(path.clone(), State::Directory)]).await.map(drop)
            }
            1 => match self.client.shelf.directories.first().cloned() {
                Some(path) => self.change("RMD", &path, 'd', 250, vec![(path.clone(), State::Nothing)]).await.map(drop),
                None => Ok(()),
            },
            2 => {
                let Some(path) = self.some_file() else { return Ok(()) };
                self.change("DELE", &path, 'd', 250, vec![(path.clone(), State::Nothing)]).await.map(drop)
            }
            3 => self.set_time().await,
            _ => self.rename().await,
        }
    }

    pub(crate) fn some_file(&mut self) -> Option<String> {
        let files: Vec<String> = self.client.shelf.files.keys().cloned().collect();
        if files.is_empty() { None } else { Some(self.client.chance.pick(&files).clone()) }
    }

    async fn rename(&mut self) -> Result<(), Over> {
        let Some(from) = self.some_file() else { return Ok(()) };
        let to = if self.client.chance.one_in(3) { self.some_file() } else { None };
        let to = to.filter(|to| *to != from).unwrap_or_else(|| self.client.fresh_name());
        let began = self.control.now();
        let right = if self.client.may('f') { 350 } else { 550 };
        let reply = self.ask_here(&format!("RNFR {from}"), &from, began, right).await?;
        if reply.code != 350 {
            return Ok(());
        }
        let after = vec![(from.clone(), State::Nothing), (to.clone(), self.client.shelf.at(&from))];
        let line = format!("RNTO {to}");
        self.change_said(&line, &from, format!("RNTO {from} {to}"), 250, after).await.map(drop)
    }

    /// MFMT changes no content.
    async fn set_time(&mut self) -> Result<(), Over> {
        let Some(path) = self.some_file() else { return Ok(()) };
        if !self.client.may('T') {
            return self.ask(&format!("MFMT 19990102030405 {path}"), &[550]).await.map(drop);
        }
        let line = format!("MFMT 19990102030405 {path}");
        let reply = self.change_said(&line, &path, format!("MFMT {path}"), 213, Vec::new()).await?;
        if reply.code != 213 || !self.client.may('l') {
            return Ok(());
        }
        let began = self.control.now();
        let reply = self.ask_here(&format!("MDTM {path}"), &path, began, 213).await?;
        assert!(reply.code != 213 || reply.lines[0] == "213 19990102030405", "{}: {reply:?}", self.client.who());
        Ok(())
    }

    async fn change(
        &mut self,
        verb: &str,
        path: &str,
        letter: char,
        code: u16,
        after: Vec<(String, State)>,
    ) -> Result<Option<Reply>, Over> {
        let line = format!("{verb} {path}");
        if !self.client.may(letter) {
            self.ask(&line, &[550]).await?;
            return Ok(None);
        }
        self.change_said(&line, path, line.clone(), code, after).await.map(Some)
    }

    /// Changes the tree. Without a reply it may have happened or not.
    async fn change_said(
        &mut self,
        line: &str,
        path: &str,
        told: String,
        code: u16,
        after: Vec<(String, State)>,
    ) -> Result<Reply, Over> {
        let before = after.iter().map(|(path, _)| (path.clone(), self.client.shelf.at(path))).collect();
        self.client.shelf.doubt(vec![before, after.clone()]);
        let hook = self.expect_hook(What::Change(told));
        let began = self.control.now();
        let reply = self.ask_here(line, path, began, code).await?;
        self.client.shelf.forget_doubt();
        if reply.code == code {
            self.is_sure(hook);
            after.into_iter().for_each(|(path, state)| self.client.shelf.set(&path, state));
        } else {
            self.forget_hook();
        }
        let who = self.client.who();
        self.client.shelf.check(&self.client.common.disk, &who);
        Ok(reply)
    }

    async fn ask_here(&mut self, line: &str, path: &str, since: ftp_proto::Instant, right: u16) -> Result<Reply, Over> {
        self.control.say(line).await;
        let reply = self.control.reply().await?;
        self.check(line, &reply, &self.codes(path, since, right));
        Ok(reply)
    }

    /// Does what cannot succeed.
    pub(crate) async fn err(&mut self) -> Result<(), Over> {
        let home = self.client.home();
        match self.client.chance.below(6) {
            0 => self.ask("PORT 10,250,0,1,20,20", &[501]).await,
            1 => self.ask("PORT 192,0,2,1,0,22", &[501]).await,
            2 => {
                let (path, began) = (format!("{home}/missing"), self.control.now());
                self.ask_here(&format!("DELE {path}"), &path, began, 550).await
            }
            3 if self.client.user.name == "bob" => self.ask(&format!("DELE {VAULT}/secret"), &[550]).await,
            4 if self.client.user.name == "bob" => self.ask(&format!("CWD {VAULT}"), &[550]).await,
            _ => {
                let long = "x".repeat(5000);
                self.ask(&long, &[500]).await
            }
        }
        .map(drop)
    }
}
