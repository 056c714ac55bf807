//! The disk of this machine.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::clock::World;

use super::super::read::RecordError;
use super::{Disk, DiskFile, Held, Member};

/// So often the file of a lock is looked for anew when its last holder takes it away at that moment.
const TRIES: usize = 20;

/// Who else may read the record, and write to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Nobody: directories 0700, files 0600.
    #[default]
    Private,
    /// A group: directories 2750, files 0640, so that what is made in them stays the group's.
    Group {
        /// The group's number; the parent directory's group if not set.
        id: Option<u32>,
    },
    /// A group, whose members may add files of their own: directories 3770, so that nobody takes
    /// another's away, files 0640. A second person's consent needs this.
    Writers {
        /// The group's number; the parent directory's group if not set.
        id: Option<u32>,
    },
}

impl Sharing {
    /// The group of this name or number, by `/etc/group`.
    pub fn with_group(name: &str) -> Result<Self, RecordError> {
        if let Ok(id) = name.parse() {
            return Ok(Self::Group { id: Some(id) });
        }
        let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
        let id = groups.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == name).then(|| fields.nth(1)?.parse().ok()).flatten()
        });
        match id {
            Some(id) => Ok(Self::Group { id: Some(id) }),
            None => Err(RecordError::new(format!(
                "record.group names the group `{name}`, which /etc/group does not hold; give its number (`getent group \
                 {name}` prints it)"
            ))),
        }
    }

    /// The same for a group that may write too.
    pub fn writing(self) -> Self {
        match self {
            Self::Private => Self::Private,
            Self::Group { id } | Self::Writers { id } => Self::Writers { id },
        }
    }

    /// As the directory `dir` is shared: for whoever adds to a record without its configuration.
    pub fn like(dir: &Path) -> Self {
        const GROUP_READS: u32 = 0o040;
        const GROUP_WRITES: u32 = 0o020;
        let mode = std::fs::metadata(dir).map_or(0, |facts| facts.permissions().mode());
        match (mode & GROUP_READS != 0, mode & GROUP_WRITES != 0) {
            (false, _) => Self::Private,
            (true, false) => Self::Group { id: None },
            (true, true) => Self::Writers { id: None },
        }
    }

    fn dir_mode(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Group { .. } => 0o2750,
            Self::Writers { .. } => 0o3770,
        }
    }

    fn file_mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Group { .. } | Self::Writers { .. } => 0o640,
        }
    }

    fn group(self) -> Option<u32> {
        match self {
            Self::Private => None,
            Self::Group { id } | Self::Writers { id } => id,
        }
    }
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk {
    sharing: Sharing,
}

impl RealDisk {
    /// Files and directories that are shared so far and no further.
    pub fn new(sharing: Sharing) -> Self {
        Self { sharing }
    }

    /// The mode that a process asks for is lessened by its umask, and a directory's set-group-ID
    /// bit is dropped by `mkdir`: both are set again on the new file itself.
    fn settle_file(&self, file: &File) -> io::Result<()> {
        if let Some(group) = self.sharing.group() {
            fchown(file, None, Some(group))?;
        }
        file.set_permissions(Permissions::from_mode(self.sharing.file_mode()))
    }
}

impl Disk for RealDisk {
    fn make_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)?;
        if let Some(group) = self.sharing.group() {
            chown(path, None, Some(group))?;
        }
        std::fs::set_permissions(path, Permissions::from_mode(self.sharing.dir_mode()))?;
        sync_dir_of(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        self.settle_file(&file)?;
        sync_dir_of(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if path.exists() {
            return Ok(());
        }
        let unfinished = unfinished_name(path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| self.settle_file(&file))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&unfinished, path))
            .and_then(|()| sync_dir_of(path));
        if written.is_err() {
            // What is left of a failed attempt is of no use; that it cannot be removed either
            // adds nothing to the error at hand.
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }

    fn read(&self, path: &Path, cap: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > cap {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Member>> {
        let mut members = Vec::new();
        for member in std::fs::read_dir(path)? {
            let member = member?;
            if let Ok(name) = member.file_name().into_string() {
                // Through a link: people keep their records elsewhere and link them.
                members.push(Member { name, is_dir: member.path().is_dir() });
            }
        }
        members.sort();
        Ok(members)
    }

    fn is_locked(&self, path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        // Dropping the file drops the lock that the question took.
        matches!(flock(&file, FlockOperation::NonBlockingLockShared), Err(rustix::io::Errno::WOULDBLOCK))
    }

    fn hold(&self, path: &Path) -> io::Result<Option<Box<dyn Held>>> {
        for _ in 0..TRIES {
            let file = match OpenOptions::new().append(true).create_new(true).mode(0o600).open(path) {
                Ok(file) => self.settle_file(&file).map(|()| file)?,
                // Another user's may only be read, which is enough for its lock.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match File::open(path) {
                    Ok(file) => file,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                },
                Err(error) => return Err(error),
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            // Its last holder may have removed it after it was opened here: a file without a name
            // keeps nobody out.
            let identity = |facts: std::fs::Metadata| (facts.dev(), facts.ino());
            let held = file.metadata().map(identity)?;
            match std::fs::metadata(path).map(identity) {
                Ok(named) if named == held => {
                    return Ok(Some(Box::new(RealLock { path: path.to_path_buf(), _file: file })));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn modified(&self, path: &Path) -> io::Result<World> {
        Ok(std::fs::metadata(path)?.modified()?.into())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// The lock of a file, which goes with its file.
#[derive(Debug)]
struct RealLock {
    path: PathBuf,
    _file: File,
}

impl Held for RealLock {}

impl Drop for RealLock {
    fn drop(&mut self) {
        // Another user's in a shared folder stays, unlocked: it says nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A name beside `path` that no reader takes for a file of the record.
fn unfinished_name(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}", ulid::Ulid::generate()))
}

/// A file's name is on the disk only when its directory was synced.
fn sync_dir_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}
