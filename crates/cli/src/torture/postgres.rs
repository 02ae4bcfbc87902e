//! A PostgreSQL server of our own, which can be stopped in the middle of everything.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::Error;

/// Where Debian and its kin put the binaries of each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// A running server. Stopped when it is dropped.
pub(super) struct Postgres {
    binaries: PathBuf,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Stops the server and leaves its cluster behind.
    pub(super) fn keep(mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }

    /// Makes a cluster and starts its server.
    pub(super) fn start() -> Result<Self, Error> {
        let binaries = binaries().ok_or_else(|| {
            Error::Database(format!("PostgreSQL is not installed: no pg_ctl in the PATH or below {VERSIONS}"))
        })?;
        let folder = tempfile::tempdir().map_err(Error::file("create", Path::new("a temporary folder")))?;
        let server = Self { binaries, folder };
        if is_superuser() {
            // PostgreSQL does not run for the superuser.
            run(Command::new("chown").arg("postgres").arg(server.folder.path()))?;
        }
        let data = server.data();
        run(server
            .command("initdb")
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data))?;
        // What the operating system has is not lost when the server is killed, and the machine is not switched off.
        let options =
            format!("-k {} -c listen_addresses= -c fsync=off -c max_connections=200", server.folder.path().display());
        run(server
            .command("pg_ctl")
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(server.folder.path().join("log"))
            .args(["-w", "-t", "60", "-o", &options, "start"]))?;
        Ok(server)
    }

    /// Its URL, without a database.
    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@{}", self.folder.path().to_string_lossy().replace('/', "%2F"))
    }

    /// Kills its processes and starts it again; it goes through its recovery.
    pub(super) fn restart(&self) -> Result<(), Error> {
        let log = self.folder.path().join("log");
        run(self.command("pg_ctl").arg("-D").arg(self.data()).arg("-l").arg(log).args([
            "-m",
            "immediate",
            "-w",
            "-t",
            "60",
            "restart",
        ]))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of its programs, run for the user of its package where this is the superuser.
    fn command(&self, name: &str) -> Command {
        let program = self.binaries.join(name);
        let mut command = if is_superuser() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that has ended already is as good.
        let _ = run(self.command("pg_ctl").arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]));
    }
}

fn is_superuser() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The folder of the newest version, or of what is in the `PATH`.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    let in_path = std::env::var_os("PATH")?;
    let in_path = std::env::split_paths(&in_path).find(|folder| folder.join("initdb").exists());
    installed.max_by_key(number).or(in_path)
}

fn run(command: &mut Command) -> Result<(), Error> {
    let name = format!("{:?}", command.get_program());
    // The server keeps what it is given: with a pipe, the end of its output would never come.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Database(format!("{name} ended with {status}"))),
        Err(error) => Err(Error::Database(format!("{name}: {error}"))),
    }
}
