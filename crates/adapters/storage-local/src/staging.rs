//! Files on their way in: written under a temporary name, moved to their place when they are whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A folder for unfinished files, emptied when it is opened.
#[derive(Debug)]
pub(crate) struct Staging {
    dir: PathBuf,
    count: AtomicU64,
    /// Held as long as this process uses the folder.
    _lock: File,
}

impl Staging {
    /// Takes the folder for this process and removes what an earlier one left unfinished.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.try_lock().map_err(|e| match e {
            fs::TryLockError::WouldBlock => {
                io::Error::new(io::ErrorKind::ResourceBusy, format!("'{}' is used by another process", dir.display()))
            }
            fs::TryLockError::Error(error) => error,
        })?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name() != "lock" {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { dir, count: AtomicU64::new(0), _lock: lock })
    }

    /// An empty file.
    pub(crate) fn create(&self) -> io::Result<Unfinished> {
        let path = self.dir.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Unfinished { file, path, moved: false })
    }
}

/// A file that is not whole yet. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Unfinished {
    file: File,
    path: PathBuf,
    moved: bool,
}

impl Unfinished {
    /// Takes over the bytes of another file.
    pub(crate) fn fill(&mut self, from: &mut File) -> io::Result<()> {
        io::copy(from, &mut self.file).map(drop)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Another handle of the file, to make what is written durable while more is written.
    pub(crate) fn written(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes the content durable, under its temporary name still.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Moves the file to its place, over what may be there.
    pub(crate) fn place(mut self, to: &Path) -> io::Result<()> {
        fs::rename(&self.path, to)?;
        self.moved = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.moved
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "an unfinished file stays behind");
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder, durably, unless it is there. Its parent is.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Ok(()) => folder.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_files_vanish() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("incoming");
        let staging = Staging::open(folder.clone()).unwrap();
        let count = || fs::read_dir(&folder).unwrap().count() - 1;
        let mut file = staging.create().unwrap();
        file.write(b"half").unwrap();
        assert_eq!(count(), 1);
        drop(file);
        assert_eq!(count(), 0);

        // What a killed process leaves.
        std::mem::forget(staging.create().unwrap());
        drop(staging);
        assert_eq!(count(), 1);
        let again = Staging::open(folder.clone()).unwrap();
        assert_eq!(count(), 0);
        assert_eq!(Staging::open(folder.clone()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(again);
    }
}
