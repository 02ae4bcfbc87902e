//! Why a command failed, in words that name the next step, and the exit codes.

use std::path::{Path, PathBuf};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] photinus_node::config::Error),
    /// The node could not start, or broke.
    #[error(transparent)]
    Node(#[from] photinus_node::Error),
    /// The embedded chain could not start.
    #[error("the chain cannot start: {0}")]
    Chain(#[from] photinus_devchain::Error),
    /// The system gives no threads.
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of a network does not hold what it should.
    #[error("{} is not a network's file: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no network in that folder.
    #[error("there is no network in {}", .0.display())]
    NoNetwork(PathBuf),
    /// The folder has something else in it.
    #[error("{} is not empty and holds no network", .0.display())]
    Occupied(PathBuf),
    /// The network was made differently.
    #[error("the network in {} has {found}, not {wanted}", dir.display())]
    Different {
        /// Its folder.
        dir: PathBuf,
        /// How it was made.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// Another command works on the network.
    #[error("another command works on the network in {}", .0.display())]
    Busy(PathBuf),
    /// The chain beneath the network is another one than before.
    #[error("the chain at {url} does not have the network's contract {contract}: it was started anew")]
    ChainReplaced {
        /// Where the network's folder is.
        dir: PathBuf,
        /// Its address, without what is secret in it.
        url: String,
        /// Address of the contract.
        contract: String,
    },
    /// A process ended or never answered.
    #[error("{name} {what}; its log ends with:\n{log}")]
    Process {
        /// Which one.
        name: String,
        /// What it did.
        what: String,
        /// The end of its log.
        log: String,
        /// The log.
        path: PathBuf,
    },
    /// A process could not be ended.
    #[error("{name} (process {pid}) does not end")]
    Stuck {
        /// Which one.
        name: String,
        /// Its id.
        pid: u32,
    },
    /// Not everything of a network runs.
    #[error("{count} of the network's processes do not run")]
    NotRunning {
        /// How many.
        count: usize,
        /// Its folder.
        dir: PathBuf,
    },
    /// No free port was found.
    #[error("no free TCP port from {0} on")]
    NoPort(u16),
    /// A member answered with an error.
    #[error("{member} answered {status} to {request}: {body}")]
    Refused {
        /// Which one.
        member: String,
        /// The request.
        request: String,
        /// HTTP status.
        status: u16,
        /// What it said.
        body: String,
    },
    /// A member or a chain cannot be reached.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        reason: String,
    },
    /// The chain did not take the contract.
    #[error("the multiparty contract was not deployed: {0}")]
    Deploy(String),
    /// The database server did not do what was asked.
    #[error("the database server failed: {0}")]
    Database(String),
    /// Something did not happen in time.
    #[error("{what} did not happen within {seconds} s")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// The members of a demonstration do not agree.
    #[error("the members do not agree: {0}")]
    Disagreement(String),
    /// A measurement could not be made.
    #[error("the measurement failed: {0}")]
    Load(String),
    /// A signal came before the work was done.
    #[error("interrupted")]
    Interrupted,
    /// A second signal came before an orderly stop was done.
    #[error("forced to stop; what was accepted goes on at the next start")]
    Forced,
    /// A destructive command was not confirmed.
    #[error("nothing was done")]
    NotConfirmed,
}

impl Error {
    /// A file that could not be read, written, ….
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// What the user can do.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        Some(match self {
            Self::NoNetwork(dir) => format!("make one with 'photinus network up --dir {}'", dir.display()),
            Self::Occupied(_) => "choose another folder with --dir".into(),
            Self::Different { dir, .. } => {
                format!(
                    "leave the option out, or remove the network with 'photinus network reset --dir {}'",
                    dir.display()
                )
            }
            Self::Busy(_) => "wait until it has ended".into(),
            Self::ChainReplaced { dir, .. } => {
                format!("start the network anew as well: 'photinus network reset --dir {}'", dir.display())
            }
            Self::Malformed { path, .. } => format!("repair or remove {}", path.display()),
            Self::Process { path, .. } => format!("read {}", path.display()),
            Self::Stuck { pid, .. } => format!("end it with 'kill -9 {pid}'"),
            Self::NotRunning { dir, .. } => format!("start it with 'photinus network up --dir {}'", dir.display()),
            Self::NoPort(_) => "stop what listens there".into(),
            Self::Unreachable { .. } => "check the address, and that something listens there".into(),
            Self::Deploy(_) => "check that the key has ether for gas, or use a chain where gas is free".into(),
            Self::Database(_) => "check the address, the user and that it may create databases".into(),
            Self::NotConfirmed => "answer yes, or give --yes".into(),
            Self::Config(photinus_node::config::Error::Unreadable { .. }) => {
                "give the file with -f, or leave -f out to run one member on its own".into()
            }
            Self::Chain(photinus_devchain::Error::Listen { .. }) => "choose another port with --port".into(),
            Self::Node(error) => error.next()?.to_owned(),
            Self::Late { .. } => "look at the logs under runtime/logs".into(),
            _ => return None,
        })
    }

    /// The exit code: 2 wrong configuration, 3 not running, 4 disagreement, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::NotRunning { .. } | Self::NoNetwork(_) => 3,
            Self::Disagreement(_) => 4,
            _ => 1,
        }
    }
}
