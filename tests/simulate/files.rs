//! Uploads, downloads and listings, and what a client may conclude from their replies.

use crate::client::Visit;
use crate::content::{from_wire, mark, text, to_wire};
use crate::control::Over;
use crate::shelf::{State, brief};
use crate::transfer::{Job, Outcome};
use crate::truth::What;
use crate::world::lock;

/// What an upload is to do to its file.
struct Upload {
    verb: &'static str,
    path: String,
    offset: Option<usize>,
    /// What stays of the old file if all goes well, and what comes behind it.
    base: Vec<u8>,
    file: Vec<u8>,
    wire: Vec<u8>,
}

impl Visit<'_> {
    pub(crate) async fn upload(&mut self) -> Result<(), Over> {
        self.choose_type().await?;
        let upload = self.some_upload();
        let letter = if upload.verb == "APPE" { 'a' } else { 'w' };
        if !self.client.may(letter) {
            return self.be_refused(&format!("{} {}", upload.verb, upload.path)).await;
        }
        let path = upload.path.clone();
        let old = self.client.shelf.at(&path);
        self.client.shelf.doubt(possible(&upload, &old));
        if let Some(offset) = upload.offset {
            self.ask(&format!("REST {offset}"), &[350]).await?;
            self.restarts = true;
        }
        let (line, place) = match upload.verb {
            "STOU" => ("STOU new".to_owned(), format!("{}/*", self.client.home())),
            verb => (format!("{verb} {path}"), path.clone()),
        };
        if upload.verb == "STOU" {
            self.ask_home().await?;
        }
        let job = Job { line, path: place, upload: Some(upload.wire.clone()), is_listing: false, is_shared: false };
        let outcome = self.transfer(job).await?;
        self.conclude_upload(upload, outcome).await
    }

    /// Goes to its own directory.
    async fn ask_home(&mut self) -> Result<(), Over> {
        let (home, began) = (self.client.home(), self.control.now());
        self.control.say(&format!("CWD {home}")).await;
        let reply = self.control.reply().await?;
        self.check("CWD", &reply, &self.codes(&home, began, 250));
        if reply.code != 250 {
            self.control.vanish(false);
            return Err(Over);
        }
        Ok(())
    }

    async fn conclude_upload(&mut self, mut upload: Upload, outcome: Option<Outcome>) -> Result<(), Over> {
        let Some(Outcome { code, announced, over, .. }) = outcome else {
            // The marker of a REST would go on to the next transfer.
            self.ask("SYST", &[215]).await?;
            self.client.settle().await;
            return Ok(());
        };
        if code == 226 {
            self.client.shelf.forget_doubt();
            if upload.verb == "STOU" {
                let name = announced.and_then(|reply| reply.lines[0].get(10..).map(str::to_owned)).unwrap_or_default();
                upload.path = format!("{}/{name}", self.client.home());
            }
            let whole = [upload.base, upload.file].concat();
            self.client.shelf.set(&upload.path, State::File(whole));
            let who = self.client.who();
            self.client.shelf.check(&self.client.common.disk, &who);
            lock(&self.client.common.counts).uploads += 1;
        } else {
            lock(&self.client.common.counts).cut += 1;
            self.client.settle().await;
        }
        if over { Err(Over) } else { Ok(()) }
    }

    fn some_upload(&mut self) -> Upload {
        let existing = self.some_file().filter(|_| self.client.chance.one_in(2));
        let old = existing.as_ref().map(|path| self.client.shelf.files[path].clone());
        let path = existing.unwrap_or_else(|| self.client.fresh_name());
        let verb = *self.client.chance.pick(&["STOR", "STOR", "STOR", "APPE", "STOU"]);
        let len = self.client.chance.magnitude(100_000) as usize;
        let (wire, file) = if self.image {
            let bytes = self.client.bytes(len);
            (bytes.clone(), bytes)
        } else {
            let wire = text(&mut self.client.chance, len / 2);
            let file = from_wire(&wire);
            (wire, file)
        };
        let mut upload = Upload { verb, path, offset: None, base: Vec::new(), file, wire };
        match (verb, old) {
            ("APPE", Some(old)) => upload.base = old,
            ("STOR", Some(old)) if self.image && self.client.chance.one_in(2) => {
                let offset = self.client.chance.between(0, old.len());
                upload.base = old[..offset].to_vec();
                upload.offset = Some(offset);
            }
            ("STOU", _) => upload.path = format!("{}/new.", self.client.home()),
            _ => {}
        }
        upload
    }

    pub(crate) async fn download(&mut self) -> Result<(), Over> {
        self.choose_type().await?;
        let Some(path) = self.some_file() else { return Ok(()) };
        if !self.client.may('r') {
            return self.be_refused(&format!("RETR {path}")).await;
        }
        let content = self.client.shelf.files[&path].clone();
        let offset =
            if self.image && self.client.chance.one_in(3) { self.client.chance.between(0, content.len()) } else { 0 };
        if offset > 0 {
            self.ask(&format!("REST {offset}"), &[350]).await?;
            self.restarts = true;
        }
        let expected = if self.image { content[offset..].to_vec() } else { to_wire(&content) };
        let job = Job { line: format!("RETR {path}"), path, upload: None, is_listing: false, is_shared: false };
        let Some(Outcome { code, data, over, .. }) = self.transfer(job).await? else {
            return self.ask("SYST", &[215]).await.map(drop);
        };
        let (who, received) = (self.client.who(), &data.received);
        if code == 226 && data.clean {
            assert!(*received == expected, "{who}: received {}, not {}", brief(received), brief(&expected));
            lock(&self.client.common.counts).downloads += 1;
        }
        assert!(expected.starts_with(received), "{who}: received {}, not {}", brief(received), brief(&expected));
        if over { Err(Over) } else { Ok(()) }
    }

    pub(crate) async fn list(&mut self) -> Result<(), Over> {
        let home = self.client.home();
        let verb = *self.client.chance.pick(&["LIST", "NLST", "MLSD"]);
        if !self.client.may('l') {
            return self.be_refused(&format!("{verb} {home}")).await;
        }
        if self.client.chance.one_in(4) {
            return self.list_by_status().await;
        }
        let job = Job { line: format!("{verb} {home}"), path: home, upload: None, is_listing: true, is_shared: false };
        let Some(Outcome { code, data, over, .. }) = self.transfer(job).await? else { return Ok(()) };
        if code == 226 && data.clean {
            let text = String::from_utf8_lossy(&data.received);
            self.check_listing(verb, text.lines());
            lock(&self.client.common.counts).listings += 1;
        }
        if over { Err(Over) } else { Ok(()) }
    }

    /// STAT with a path lists over the control connection.
    pub(crate) async fn list_by_status(&mut self) -> Result<(), Over> {
        let (home, began) = (self.client.home(), self.control.now());
        self.control.say(&format!("STAT {home}")).await;
        let reply = self.control.reply().await?;
        self.check("STAT", &reply, &self.codes(&home, began, 213));
        let last = reply.lines.last().map_or("", |line| &**line);
        if reply.code == 213 && !last.contains("not whole") {
            let middle = &reply.lines[1..reply.lines.len() - 1];
            self.check_listing("STAT", middle.iter().map(|line| &**line));
        }
        Ok(())
    }

    /// Names begin behind the last blank: there is none in them.
    fn check_listing<'l>(&self, verb: &str, lines: impl Iterator<Item = &'l str>) {
        let name = |line: &'l str| line.rsplit(' ').next().unwrap_or_default();
        let mut told: Vec<&str> = lines.map(name).filter(|name| !name.starts_with("new.")).collect();
        let home = format!("{}/", self.client.home());
        let shelf = self.client.shelf.files.keys().chain(&self.client.shelf.directories);
        let mut known: Vec<&str> = shelf.filter_map(|path| path.strip_prefix(&home)).collect();
        known.retain(|name| !name.starts_with("new."));
        told.sort_unstable();
        known.sort_unstable();
        assert_eq!(told, known, "{}: {verb}", self.client.who());
    }

    /// Changes the type now and then, or whether data goes under TLS.
    async fn choose_type(&mut self) -> Result<(), Over> {
        if self.client.chance.one_in(8) {
            self.protect().await?;
        }
        if self.client.chance.one_in(3) {
            self.image = !self.image;
            let line = if self.image { "TYPE I" } else { "TYPE A" };
            self.ask(line, &[200]).await?;
        }
        Ok(())
    }

    /// Tries what the user may not do, with a data connection arranged.
    async fn be_refused(&mut self, line: &str) -> Result<(), Over> {
        let place = self.arrange().await?;
        self.ask(line, &[550]).await?;
        drop(place);
        self.control.arranged = None;
        Ok(())
    }

    /// Files that all clients change at the same time: whatever comes from there is the beginning of one upload.
    pub(crate) async fn share(&mut self) -> Result<(), Over> {
        if !self.image {
            self.image = true;
            self.ask("TYPE I", &[200]).await?;
        }
        let path = format!("/shared/{}", self.client.chance.below(6));
        let writes = self.client.user.letters == "elradfmwMT";
        match self.client.chance.below(4) {
            0 if writes => {
                let len = self.client.chance.magnitude(40_000) as usize;
                let bytes = self.client.bytes(len);
                if let Some(number) = mark(&bytes) {
                    self.client.common.truth.will_share(number, &bytes);
                }
                let job =
                    Job { line: format!("STOR {path}"), path, upload: Some(bytes), is_listing: false, is_shared: true };
                self.share_file(job).await.map(drop)
            }
            1 if writes => self.delete_shared(&path).await,
            _ if self.client.may('r') => {
                let job = Job { line: format!("RETR {path}"), path, upload: None, is_listing: false, is_shared: true };
                let Some(Outcome { code, data, .. }) = self.share_file(job).await? else { return Ok(()) };
                if code == 226 {
                    self.client.common.truth.check_shared(&data.received);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
    async fn share_file(&mut self, job: Job) -> Result<Option<Outcome>, Over> {
        let outcome = self.transfer(job).await?;
        if outcome.as_ref().is_some_and(|outcome| outcome.over) { Err(Over) } else { Ok(outcome) }
    }

    async fn delete_shared(&mut self, path: &str) -> Result<(), Over> {
        let hook = self.expect_hook(What::Change(format!("DELE {path}")));
        let reply = self.ask(&format!("DELE {path}"), &[250, 550, 451, 452]).await?;
        if reply.code == 250 {
            self.is_sure(hook);
        } else {
            self.forget_hook();
        }
        Ok(())
    }
}

/// The states in which an upload may leave its file, if nobody knows how it has ended.
fn possible(upload: &Upload, old: &State) -> Vec<Vec<(String, State)>> {
    if upload.verb == "STOU" {
        // Its name is not known before it is announced; such files are in no list of the client's.
        return vec![Vec::new()];
    }
    let whole = [&upload.base[..], &upload.file].concat();
    let grown = match old {
        State::File(old) if upload.verb == "STOR" && upload.offset.is_none_or(|offset| offset == 0) => {
            State::File(old.clone())
        }
        _ => State::Grown(upload.base.clone(), upload.file.clone()),
    };
    [old.clone(), grown, State::File(whole)].into_iter().map(|state| vec![(upload.path.clone(), state)]).collect()
}
