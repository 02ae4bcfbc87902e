//! A disk for one member that can be filled: a file system in memory, of a limited size. Only the superuser may mount one.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::Error;

/// Its size. What it holds takes memory.
const SIZE: &str = "384m";
/// What fills it.
const BALLAST: &str = "ballast";

/// A small file system over a folder. Unmounted when it is dropped.
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one over a folder, which is made. `None` where that is not allowed.
    pub(super) fn mount(folder: &Path) -> Result<Option<Self>, Error> {
        std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        let mounted = quiet(
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={SIZE},mode=700"), "none"]).arg(folder),
        );
        Ok(mounted.then(|| Self { folder: folder.to_owned() }))
    }

    /// Takes all the space that is left.
    pub(super) fn fill(&self) -> Result<(), Error> {
        let path = self.folder.join(BALLAST);
        let mut file = File::create(&path).map_err(Error::file("create", &path))?;
        for size in [1 << 20, 4 << 10] {
            let piece = vec![1; size];
            // Until there is no more.
            while file.write_all(&piece).is_ok() {}
        }
        Ok(())
    }

    /// Gives it back.
    pub(super) fn free(&self) -> Result<(), Error> {
        let path = self.folder.join(BALLAST);
        std::fs::remove_file(&path).map_err(Error::file("remove", &path))
    }

    /// Copies what is on it to a folder that stays.
    pub(super) fn save(&self, to: &Path) -> bool {
        quiet(Command::new("cp").arg("-a").arg(self.folder.join(".")).arg(to))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        quiet(Command::new("umount").arg("-l").arg(&self.folder));
    }
}

/// Whether a command could be run and succeeded.
fn quiet(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
