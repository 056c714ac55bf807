//! The file layer of the record: the few things that it asks of a file system.
//!
//! Owns: modes of files and directories, the lock of a writer, and the order of syncs that makes
//! a new file survive a power cut (its bytes, then the directory that names it). Must not: know
//! what is in the files. A test's disk keeps only what was synced.

#[cfg(test)]
pub(super) mod memory;
mod real;

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};

pub use real::{RealDisk, Sharing};

/// A file system, as far as the record needs one.
pub trait Disk: Debug + Send + Sync {
    /// Makes a directory and syncs the directory that names it. Fails with `AlreadyExists` if
    /// there is one.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that did not exist, locks it for this process, and syncs the directory that
    /// names it.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Writes a whole file that appears at once or not at all, durably. One that is there
    /// already is left as it is.
    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// All bytes of a file; fails with `FileTooLarge` beyond `cap` bytes.
    fn read(&self, path: &Path, cap: u64) -> io::Result<Vec<u8>>;
    /// The members of a directory, in the order of their names.
    fn list(&self, path: &Path) -> io::Result<Vec<Member>>;
    /// Whether a process holds the lock of a file that [`Disk::create`] or [`Disk::hold`] made.
    fn is_locked(&self, path: &Path) -> bool;
    /// Takes the lock of a file, which is made if it is not there; `None` if somebody else has it.
    /// Dropping what is given back releases it and removes the file. The end of a process, however
    /// it comes, releases it as well: the file stays then, and says nothing.
    fn hold(&self, path: &Path) -> io::Result<Option<Box<dyn Held>>>;
    /// When a file was last written, by the calendar.
    fn modified(&self, path: &Path) -> io::Result<crate::clock::World>;
    /// Removes a directory with all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is appended to.
pub trait DiskFile: Debug + Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when everything appended so far is on the disk. After a failure nothing may be
    /// assumed about what was appended since the last success.
    fn sync(&mut self) -> io::Result<()>;
}

/// A lock that is held, until this is dropped.
pub trait Held: Debug + Send {}

/// One member of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its name. Names that are not Unicode are none of ours and are left out.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// Makes the directories of `path` that are missing, outermost first.
pub(super) fn make_dirs(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut at = Some(path);
    while let Some(dir) = at.filter(|dir| !dir.as_os_str().is_empty()) {
        match disk.list(dir) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(dir.to_path_buf()),
            Err(error) => return Err(error),
        }
        at = dir.parent();
    }
    for dir in missing.iter().rev() {
        match disk.make_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
    }
    Ok(())
}
