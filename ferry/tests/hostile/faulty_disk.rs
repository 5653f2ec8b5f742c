//! A disk in user space that fails and hangs as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::mounts::detach;
use crate::watched::wait_until;

/// What the system asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Attributes,
    Open,
    Create,
    Read,
    Write,
    List,
    Rename,
}

/// A disk with files in one directory; unmounted when dropped.
pub(crate) struct FaultyDisk {
    disk: Disk,
    point: PathBuf,
    _session: BackgroundSession,
}

/// What a disk does, to be looked at and changed.
#[derive(Clone)]
pub(crate) struct Disk(Arc<(Mutex<State>, Condvar)>);

/// Lets all that hangs go on when it is dropped. Without, neither the server nor the mount would ever end.
pub(crate) struct Release(Disk);

#[derive(Default)]
struct State {
    names: BTreeMap<OsString, u64>,
    files: BTreeMap<u64, File>,
    failing: BTreeMap<Operation, Errno>,
    hanging: BTreeSet<Operation>,
    waiting: BTreeSet<Operation>,
}

#[derive(Clone, Default)]
struct File {
    content: Vec<u8>,
    mode: u16,
}

/// The system is to remember nothing.
const TTL: Duration = Duration::ZERO;

impl FaultyDisk {
    pub(crate) fn mount(point: PathBuf) -> Self {
        fs::create_dir_all(&point).unwrap();
        let disk = Disk(Arc::default());
        let mut config = Config::default();
        // One that hangs is not to keep the others from being asked.
        config.n_threads = Some(8);
        let session = fuser::spawn_mount(disk.clone(), &point, &config).expect("these tests mount by FUSE, as root");
        Self { disk, point, _session: session }
    }

    pub(crate) fn disk(&self) -> Disk {
        self.disk.clone()
    }
}

impl Drop for FaultyDisk {
    fn drop(&mut self) {
        detach(&self.point);
    }
}

impl Disk {
    pub(crate) fn put(&self, name: &str, content: &[u8]) {
        let mut state = self.state();
        let number = state.create(OsStr::new(name), 0o644);
        content.clone_into(&mut state.files.get_mut(&number).unwrap().content);
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        Some(state.files[state.names.get(OsStr::new(name))?].content.clone())
    }

    pub(crate) fn names(&self) -> Vec<OsString> {
        self.state().names.keys().cloned().collect()
    }

    /// From now on such requests fail.
    pub(crate) fn fail(&self, operation: Operation, errno: Errno) {
        self.state().failing.insert(operation, errno);
    }

    /// From now on no request fails.
    pub(crate) fn mend(&self) {
        self.state().failing.clear();
    }

    /// From now on such requests wait.
    pub(crate) fn hang(&self, operation: Operation) {
        self.state().hanging.insert(operation);
    }

    /// Waits until there is a request that waits.
    #[track_caller]
    pub(crate) fn wait_for_hanging(&self, operation: Operation) {
        wait_until(|| format!("nobody asks for {operation:?}"), || self.state().waiting.contains(&operation));
    }

    /// Lets all that hangs go on.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.hanging.clear();
        state.waiting.clear();
        self.0.1.notify_all();
    }

    pub(crate) fn released_in_the_end(&self) -> Release {
        Release(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    /// Waits while such requests hang, and fails if they fail.
    fn pass(&self, operation: Operation) -> Result<MutexGuard<'_, State>, Errno> {
        let mut state = self.state();
        while state.hanging.contains(&operation) {
            state.waiting.insert(operation);
            state = self.0.1.wait(state).unwrap();
        }
        state.failing.get(&operation).map_or(Ok(()), |errno| Err(*errno))?;
        Ok(state)
    }

    fn attributes(&self, file: u64) -> Result<FileAttr, Errno> {
        // The directory always answers: whoever looks from outside must not hang.
        if file == INodeNo::ROOT.0 {
            Ok(self.state().attributes(file)?)
        } else {
            self.pass(Operation::Attributes)?.attributes(file)
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl State {
    /// The file of this name, a new one unless there is one.
    fn create(&mut self, name: &OsStr, mode: u16) -> u64 {
        let next = self.files.keys().last().unwrap_or(&INodeNo::ROOT.0) + 1;
        let number = *self.names.entry(name.to_owned()).or_insert(next);
        self.files.entry(number).or_insert(File { content: vec![], mode });
        number
    }

    fn file(&mut self, number: u64) -> Result<&mut File, Errno> {
        self.files.get_mut(&number).ok_or(Errno::ENOENT)
    }

    fn number(&self, name: &OsStr) -> Result<u64, Errno> {
        self.names.get(name).copied().ok_or(Errno::ENOENT)
    }

    fn attributes(&self, number: u64) -> Result<FileAttr, Errno> {
        let is_root = number == INodeNo::ROOT.0;
        let directory = File { content: vec![], mode: 0o755 };
        let file = if is_root { &directory } else { self.files.get(&number).ok_or(Errno::ENOENT)? };
        let size = file.content.len() as u64;
        let time = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino: INodeNo(number),
            size,
            blocks: size.div_ceil(512),
            atime: time,
            mtime: time,
            ctime: time,
            crtime: time,
            kind: if is_root { FileType::Directory } else { FileType::RegularFile },
            perm: file.mode,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    fn write(&mut self, number: u64, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let file = self.file(number)?;
        let begin = usize::try_from(offset).unwrap();
        let len = file.content.len().max(begin + data.len());
        file.content.resize(len, 0);
        file.content[begin..begin + data.len()].copy_from_slice(data);
        Ok(u32::try_from(data.len()).unwrap())
    }

    fn rename(&mut self, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        let number = self.names.remove(from).ok_or(Errno::ENOENT)?;
        self.names.insert(to.to_owned(), number);
        Ok(())
    }
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let number = self.state().number(name);
        match number.and_then(|number| self.attributes(number)) {
            Ok(attributes) => reply.entry(&TTL, &attributes, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(file.0) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        file: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut state = self.state();
        let changed = state.file(file.0).map(|found| {
            if let Some(size) = size {
                found.content.resize(usize::try_from(size).unwrap(), 0);
            }
            if let Some(mode) = mode {
                found.mode = u16::try_from(mode & 0o777).unwrap();
            }
        });
        match changed.and_then(|()| state.attributes(file.0)) {
            Ok(attributes) => reply.attr(&TTL, &attributes),
            Err(errno) => reply.error(errno),
        }
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        // What is open can still be used.
        match self.state().names.remove(name) {
            Some(_) => reply.ok(),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn rename(&self, _: &Request, _: INodeNo, from: &OsStr, _: INodeNo, to: &OsStr, _: RenameFlags, reply: ReplyEmpty) {
        match self.pass(Operation::Rename).and_then(|mut state| state.rename(from, to)) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.pass(Operation::Open) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn create(&self, _: &Request, _: INodeNo, name: &OsStr, mode: u32, _: u32, _: i32, reply: ReplyCreate) {
        let created = self.pass(Operation::Create).and_then(|mut state| {
            let number = state.create(name, u16::try_from(mode & 0o777).unwrap());
            state.attributes(number)
        });
        match created {
            Ok(found) => reply.created(&TTL, &found, Generation(0), FileHandle(0), FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        }
    }

    fn read(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let content = self.pass(Operation::Read).and_then(|mut state| Ok(state.file(file.0)?.content.clone()));
        match content {
            Ok(content) => {
                let begin = content.len().min(usize::try_from(offset).unwrap());
                reply.data(&content[begin..content.len().min(begin + size as usize)]);
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.pass(Operation::Write).and_then(|mut state| state.write(file.0, offset, data)) {
            Ok(count) => reply.written(count),
            Err(errno) => reply.error(errno),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let names = match self.pass(Operation::List) {
            Ok(state) => state.names.clone(),
            Err(errno) => return reply.error(errno),
        };
        for (place, (name, number)) in names.iter().enumerate().skip(usize::try_from(offset).unwrap()) {
            if reply.add(INodeNo(*number), place as u64 + 1, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }
}
