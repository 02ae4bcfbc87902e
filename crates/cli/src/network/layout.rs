//! Where the files of a local network lie. The names under `runtime/config` and of the two JSON files are those of FireFly's
//! own tool, so that its other tools find them.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use crate::error::Error;

/// Held by a command that changes the network.
const LOCK: &str = ".lock";

/// The folder of one network.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout of a folder, which need not exist. Its path is made absolute, since processes are told it.
    pub(crate) fn of(dir: &Path) -> Result<Self, Error> {
        Ok(Self { dir: std::path::absolute(dir).map_err(Error::file("find", dir))? })
    }

    /// Keeps other commands from changing the network until the result is dropped. Makes the folder.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let path = self.dir.join(LOCK);
        std::fs::create_dir_all(&self.dir).map_err(Error::file("create", &self.dir))?;
        let file = File::create(&path).map_err(Error::file("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy(self.dir.clone())),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", &path)(error)),
        }
    }

    /// Whether the folder has something in it.
    pub(crate) fn is_occupied(&self) -> bool {
        let entries = std::fs::read_dir(&self.dir);
        entries.is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name() != LOCK))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the network consists of.
    pub(crate) fn stack(&self) -> PathBuf {
        self.dir.join("stack.json")
    }

    /// Everything that a reset removes.
    pub(crate) fn runtime(&self) -> PathBuf {
        self.dir.join("runtime")
    }

    /// Accounts and contracts.
    pub(crate) fn state(&self) -> PathBuf {
        self.runtime().join("stackState.json")
    }

    /// A member's configuration.
    pub(crate) fn config(&self, member: usize) -> PathBuf {
        self.runtime().join("config").join(format!("firefly_core_{member}.yml"))
    }

    /// A member's data.
    pub(crate) fn data(&self, member: usize) -> PathBuf {
        self.runtime().join("data").join(format!("member_{member}"))
    }

    /// The file with a member's own signing key.
    pub(crate) fn key(&self, member: usize) -> PathBuf {
        self.data(member).join("signing.key")
    }

    /// Where a member keeps its certificate.
    pub(crate) fn exchange(&self, member: usize) -> PathBuf {
        self.data(member).join("exchange")
    }

    /// The embedded chain's data.
    pub(crate) fn chain_data(&self) -> PathBuf {
        self.runtime().join("data").join("chain")
    }

    /// What a process writes.
    pub(crate) fn log(&self, process: &str) -> PathBuf {
        self.runtime().join("logs").join(format!("{process}.log"))
    }

    /// Which process it is.
    pub(crate) fn pid(&self, process: &str) -> PathBuf {
        self.runtime().join("run").join(format!("{process}.pid"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::of(&folder.path().join("net")).unwrap();
        let lock = layout.lock().unwrap();
        assert!(matches!(layout.lock(), Err(Error::Busy(_))));
        assert!(!layout.is_occupied(), "the lock alone is nothing");
        drop(lock);
        layout.lock().unwrap();
        std::fs::write(layout.stack(), "{}").unwrap();
        assert!(layout.is_occupied());
    }
}
