//! A disk for tests that forgets whatever was not synced, and fails when told to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::World;

use super::{Disk, DiskFile, Held, Member};

/// A disk in memory. Clones are one disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<PathBuf, Node>,
    /// Bytes that still fit, over all files.
    room: Option<usize>,
    sync_fails: bool,
    /// Files that nobody may read.
    closed: BTreeSet<PathBuf>,
    syncs: usize,
    /// Whether files are as young as the test is; else as old as the calendar.
    young: bool,
}

#[derive(Clone, Debug)]
enum Node {
    Dir,
    File { bytes: Vec<u8>, synced: usize, locked: bool },
}

impl MemoryDisk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk as it is found after a power cut: synced bytes, and of each file at most `extra`
    /// of the bytes that were written but not synced. No locks are held any more.
    pub(crate) fn after_power_cut(&self, extra: usize) -> Self {
        let state = self.lock();
        let nodes = state.nodes.iter().map(|(path, node)| {
            let node = match node {
                Node::Dir => Node::Dir,
                Node::File { bytes, synced, .. } => {
                    let kept = bytes[..(synced + extra).min(bytes.len())].to_vec();
                    Node::File { synced: kept.len(), bytes: kept, locked: false }
                }
            };
            (path.clone(), node)
        });
        Self(Arc::new(Mutex::new(State { nodes: nodes.collect(), young: state.young, ..State::default() })))
    }

    /// From now on only `room` more bytes fit.
    pub(crate) fn fill_up(&self, room: usize) {
        self.lock().room = Some(room);
    }

    /// From now on nobody may read a file.
    pub(crate) fn close_to_readers(&self, path: &Path) {
        self.lock().closed.insert(path.to_path_buf());
    }

    /// From now on no sync succeeds.
    pub(crate) fn break_syncs(&self) {
        self.lock().sync_fails = true;
    }

    /// Files were written just now, and not when the calendar began.
    #[cfg(feature = "operator")]
    pub(crate) fn young(self) -> Self {
        self.lock().young = true;
        self
    }

    /// How many syncs of files there were.
    pub(crate) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// All files with their bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.lock();
        let files = state.nodes.iter().filter_map(|(path, node)| match node {
            Node::File { bytes, .. } => Some((path.clone(), bytes.clone())),
            Node::Dir => None,
        });
        files.collect()
    }

    /// Puts `bytes` in the place of a file's.
    pub(crate) fn overwrite(&self, path: &Path, bytes: Vec<u8>) {
        self.lock().nodes.insert(path.to_path_buf(), Node::File { synced: bytes.len(), bytes, locked: false });
    }

    /// Removes one file.
    pub(crate) fn delete(&self, path: &Path) {
        self.lock().nodes.remove(path).expect("the file is there");
    }
}

impl State {
    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        if self.nodes.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        match path.parent() {
            Some(parent) if parent == Path::new("/") || matches!(self.nodes.get(parent), Some(Node::Dir)) => {}
            _ => return Err(io::ErrorKind::NotFound.into()),
        }
        self.nodes.insert(path.to_path_buf(), node);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().add(path, Node::Dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.lock().add(path, Node::File { bytes: Vec::new(), synced: 0, locked: true })?;
        Ok(Box::new(MemoryFile { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if state.room.is_some_and(|room| room < bytes.len()) {
            return Err(io::Error::from_raw_os_error(28));
        }
        match state.add(path, Node::File { bytes: bytes.to_vec(), synced: bytes.len(), locked: false }) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn read(&self, path: &Path, cap: u64) -> io::Result<Vec<u8>> {
        let state = self.lock();
        match state.nodes.get(path) {
            _ if state.closed.contains(path) => Err(io::ErrorKind::PermissionDenied.into()),
            Some(Node::File { bytes, .. }) if bytes.len() as u64 > cap => Err(io::ErrorKind::FileTooLarge.into()),
            Some(Node::File { bytes, .. }) => Ok(bytes.clone()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Member>> {
        let state = self.lock();
        if path != Path::new("/") && !matches!(state.nodes.get(path), Some(Node::Dir)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let members = state.nodes.iter().filter(|(member, _)| member.parent() == Some(path)).map(|(member, node)| {
            let name = member.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Member { name, is_dir: matches!(node, Node::Dir) }
        });
        Ok(members.collect())
    }

    fn is_locked(&self, path: &Path) -> bool {
        matches!(self.lock().nodes.get(path), Some(Node::File { locked: true, .. }))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Box<dyn Held>>> {
        let mut state = self.lock();
        match state.nodes.get_mut(path) {
            Some(Node::File { locked: true, .. }) => return Ok(None),
            Some(Node::File { locked, .. }) => *locked = true,
            _ => state.add(path, Node::File { bytes: Vec::new(), synced: 0, locked: true })?,
        }
        Ok(Some(Box::new(MemoryLock { disk: self.clone(), path: path.to_path_buf() })))
    }

    fn modified(&self, _path: &Path) -> io::Result<World> {
        Ok(if self.lock().young { crate::clock::Clock::real().now() } else { World::UNIX_EPOCH })
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().nodes.retain(|member, _| !member.starts_with(path));
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryLock {
    disk: MemoryDisk,
    path: PathBuf,
}

impl Held for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.disk.lock().nodes.remove(&self.path);
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: MemoryDisk,
    path: PathBuf,
}

impl DiskFile for MemoryFile {
    fn append(&mut self, new: &[u8]) -> io::Result<()> {
        let mut state = self.disk.lock();
        let fits = state.room.map_or(new.len(), |room| room.min(new.len()));
        state.room = state.room.map(|room| room - fits);
        if let Some(Node::File { bytes, .. }) = state.nodes.get_mut(&self.path) {
            bytes.extend_from_slice(&new[..fits]);
        }
        // ENOSPC, as a real disk says it: after what fitted was written.
        if fits == new.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(28)) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.lock();
        if state.sync_fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        state.syncs += 1;
        if let Some(Node::File { bytes, synced, .. }) = state.nodes.get_mut(&self.path) {
            *synced = bytes.len();
        }
        Ok(())
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        if let Some(Node::File { locked, .. }) = self.disk.lock().nodes.get_mut(&self.path) {
            *locked = false;
        }
    }
}
