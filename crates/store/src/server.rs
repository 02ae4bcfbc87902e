//! A PostgreSQL server for tests and measurements, started from the machine's own binaries.
//!
//! The server listens on a socket in a folder of its own. A small shell script watches over it: when the process that
//! started it ends, in whatever way, the server stops and its folder goes. `PHOTINUS_TEST_POSTGRES` names a server to
//! use in its place, as a URL without a database.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use tokio_postgres::{Config, NoTls};

/// Names a server to use in place of one that is started.
const VARIABLE: &str = "PHOTINUS_TEST_POSTGRES";

/// Where Debian and its kin put the binaries of the versions that are known to work, the best first.
const FOLDERS: [&str; 3] = ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin"];

/// Lets connections in over TCP, encrypted ones alone; those of the role `certified` must show a certificate.
const ENCRYPTED: &str = "local all all trust
hostssl all certified all trust clientcert=verify-ca
hostssl all all all trust
";

/// Starts a server in a new folder, says where, and stops it when its standard input ends. The server has a session of
/// its own, so that an interrupt at the terminal does not reach it before this script has stopped it.
const SCRIPT: &str = r#"
set -eu
trap '' INT
folder=$(mktemp -d "${TMPDIR:-/tmp}/photinus-pg.XXXXXX")
clean() { "$1/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true; rm -rf "$folder"; }
trap 'clean "$0"' EXIT
"$0/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >"$folder/log" 2>&1 \
    || { cat "$folder/log" >&2; exit 1; }
tcp="-c listen_addresses="
if [ -n "${2:-}" ]; then
    umask 077
    printf '%s' "$CERTIFICATE" >"$folder/data/server.crt"
    printf '%s' "$KEY" >"$folder/data/server.key"
    printf '%s' "$AUTHORITY" >"$folder/data/root.crt"
    printf '%s' "$RULES" >"$folder/data/pg_hba.conf"
    tcp="-c listen_addresses=127.0.0.1 -c port=$2 -c ssl=on -c ssl_ca_file=root.crt"
fi
setsid "$0/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 \
    -o "-k $folder $tcp -c fsync=$1 -c max_connections=200" start >/dev/null 2>&1 \
    || { cat "$folder/log" >&2; exit 1; }
echo "$folder"
cat >/dev/null
"#;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL is not installed.
    #[error(
        "PostgreSQL is not installed: run `apt-get install postgresql-15`, or set {VARIABLE} to the URL of a server"
    )]
    NotInstalled,
    /// It was started, and gave up.
    #[error("the PostgreSQL server did not start: {0}")]
    NotStarted(String),
    /// It does not do as it is told.
    #[error("the PostgreSQL server failed: {0}")]
    Failed(#[from] tokio_postgres::Error),
}

/// What a server is to be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// Commits reach the disk, as in production.
    Disk,
    /// Commits reach the operating system: what tests of everything but a power cut need.
    System,
}

/// What a server shows to those who connect over TCP, in PEM.
#[derive(Debug, Clone)]
pub struct Encryption {
    /// Its certificate.
    pub certificate: String,
    /// The key of it.
    pub key: String,
    /// The authority of clients' certificates.
    pub authority: String,
    /// The port on 127.0.0.1.
    pub port: u16,
}

/// A running server. It stops when this is dropped, and when the process ends.
#[derive(Debug)]
pub struct Server {
    url: String,
    /// Where its data is. Absent when it was not started here.
    folder: Option<PathBuf>,
    script: Option<Child>,
    databases: AtomicU64,
}

impl Server {
    /// Starts a server, or takes the one that the environment names.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start. Tests should fail then, not pass.
    pub fn start(flush: Flush) -> Result<Self, Error> {
        if let Ok(url) = std::env::var(VARIABLE) {
            return Ok(Self { url, folder: None, script: None, databases: AtomicU64::new(0) });
        }
        Self::run(flush, None)
    }

    /// Starts a server of its own that encrypts connections over TCP, and takes no others there. It has a role `certified`,
    /// whose clients must show a certificate.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn encrypted(encryption: &Encryption) -> Result<Self, Error> {
        let server = Self::run(Flush::System, Some(encryption))?;
        server.execute("CREATE ROLE certified LOGIN SUPERUSER").await?;
        Ok(server)
    }

    fn run(flush: Flush, encryption: Option<&Encryption>) -> Result<Self, Error> {
        let binaries = FOLDERS.iter().map(Path::new).find(|folder| folder.join("initdb").exists());
        let mut script = command(binaries.ok_or(Error::NotInstalled)?, flush);
        if let Some(encryption) = encryption {
            let Encryption { certificate, key, authority, port } = encryption;
            script.arg(port.to_string()).env("RULES", ENCRYPTED);
            script.env("CERTIFICATE", certificate).env("KEY", key).env("AUTHORITY", authority);
        }
        let not_started = |error: std::io::Error| Error::NotStarted(error.to_string());
        let mut script =
            script.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(not_started)?;
        let mut folder = String::new();
        if let Some(output) = script.stdout.take() {
            BufReader::new(output).read_line(&mut folder).map_err(not_started)?;
        }
        let folder = PathBuf::from(folder.trim());
        if folder.as_os_str().is_empty() {
            return Err(Error::NotStarted("see its messages above".to_owned()));
        }
        let host = folder.to_string_lossy().replace('/', "%2F");
        let port = encryption.map(|encryption| format!(":{}", encryption.port)).unwrap_or_default();
        Ok(Self {
            url: format!("postgres://postgres@{host}{port}"),
            folder: Some(folder),
            script: Some(script),
            databases: AtomicU64::new(0),
        })
    }

    /// The server, as a URL without a database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's process, whose children do the work; `None` when it was not started here.
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        let file = self.folder.as_ref()?.join("data/postmaster.pid");
        std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
    }

    /// A new, empty database, as a URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn database(&self) -> Result<String, Error> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("photinus_{}_{number}", std::process::id());
        self.execute(&format!("DROP DATABASE IF EXISTS {name}")).await?;
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(format!("{}/{name}", self.url))
    }

    async fn execute(&self, sql: &str) -> Result<(), Error> {
        let mut config: Config = self.url.parse()?;
        config.dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await?;
        drop(client);
        // It ends with its client.
        let _ended = connection.await;
        Ok(())
    }
}

/// The script with its arguments. PostgreSQL refuses to run for the superuser, so it runs for the user of its package.
fn command(binaries: &Path, flush: Flush) -> Command {
    let superuser = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if superuser {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh"]);
        command
    } else {
        Command::new("sh")
    };
    command.args(["-c", SCRIPT]).arg(binaries).arg(if flush == Flush::Disk { "on" } else { "off" });
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut script) = self.script.take() {
            drop(script.stdin.take());
            // The script has nothing left to say but that it is done.
            let _ended = script.wait();
        }
    }
}
