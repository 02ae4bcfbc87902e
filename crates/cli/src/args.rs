//! The command line as types.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

pub use crate::bench::Work;
use crate::output::Format;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not running, 4 members disagree.\n\
                          Data goes to standard output, everything else to standard error.";

/// A multiparty node: members who need not trust each other exchange messages and see them in the same order.
#[derive(Debug, Parser)]
#[command(name = "photinus", version, after_help = EXIT_CODES, propagate_version = false)]
pub struct Photinus {
    /// How data is printed.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "text|json"
    )]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node.
    Start(Start),
    /// Run an Ethereum chain for development.
    Chain(Chain),
    /// Run a local network: one process for each member.
    #[command(subcommand)]
    Network(Network),
    /// Deploy the multiparty contract to a chain.
    Deploy(Deploy),
    /// Play a bill of lading between three members.
    Demo(Demo),
    /// Measure a local network that is made for it beside the goals, or any node.
    Bench(Bench),
    /// Break a network of real processes in every way, and check that nothing is lost and all members agree.
    Torture(Torture),
    /// Tell why a message is where it is: what it waits for, since when, and what to do.
    Why(Why),
    /// Read about the configuration, and check a file.
    #[command(subcommand)]
    Config(Config),
    /// See the namespaces of a running node, and have it read its configuration again.
    #[command(subcommand)]
    Namespaces(Namespaces),
    /// Vote to give up a batch that will never come, so that what waits for it goes on.
    Release(Release),
    /// Print the version.
    Version,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Run a node.
#[derive(Debug, Args)]
pub struct Start {
    /// Configuration in FireFly's format. Without it: one member with a chain of its own.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where a member without a configuration file keeps everything.
    #[arg(long, value_name = "DIR", default_value = "photinus-data", conflicts_with = "file")]
    pub dir: PathBuf,
}

/// Run an Ethereum chain for development.
#[derive(Debug, Args)]
pub struct Chain {
    /// Address to listen on. Whoever reaches it can use the development accounts.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port of JSON-RPC over HTTP and WebSocket; 0 takes a free one.
    #[arg(long, default_value_t = 8545)]
    pub port: u16,
    /// Where the chain is kept. Without it, it ends with the process.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Id of the chain.
    #[arg(long, value_name = "ID", default_value_t = 31_337)]
    pub chain_id: u64,
    /// Milliseconds between blocks. Without it, a transaction makes a block at once.
    #[arg(long, value_name = "MS")]
    pub block_time: Option<u64>,
    /// Number of funded development accounts.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub accounts: u32,
}

/// Run a local network.
#[derive(Debug, Subcommand)]
pub enum Network {
    /// Make a network, or start the one that is there.
    Up(Up),
    /// Stop a network. Its data stays.
    Down(Folder),
    /// Show what runs.
    Status(Folder),
    /// Stop a network, forget its data and start it anew.
    Reset(Reset),
}

/// The folder of a network.
#[derive(Debug, Args)]
pub struct Folder {
    /// The network's folder.
    #[arg(long, value_name = "DIR", default_value = "photinus-network")]
    pub dir: PathBuf,
}

/// Make or start a network.
#[derive(Debug, Args)]
pub struct Up {
    /// The network's folder.
    #[command(flatten)]
    pub folder: Folder,
    /// Number of members of a new network, 2 unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=50))]
    pub members: Option<u16>,
    /// JSON-RPC address of an Ethereum chain to use in place of the embedded one.
    #[arg(long, value_name = "URL")]
    pub chain: Option<String>,
    /// PostgreSQL server in which each member gets a database, in place of SQLite.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Stay, and stop the network on Ctrl-C.
    #[arg(long)]
    pub foreground: bool,
}

/// Start a network anew.
#[derive(Debug, Args)]
pub struct Reset {
    /// The network's folder.
    #[command(flatten)]
    pub folder: Folder,
    /// Do not ask.
    #[arg(short, long)]
    pub yes: bool,
}

/// Deploy the multiparty contract.
#[derive(Debug, Args)]
pub struct Deploy {
    /// JSON-RPC address of the chain.
    #[arg(value_name = "URL")]
    pub chain: String,
    /// File with the private key that pays, as 64 hexadecimal digits. Without it: the first well-known development key.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

/// Play a bill of lading.
#[derive(Debug, Args)]
pub struct Demo {
    /// End after the play. Fails unless all members saw the same.
    #[arg(long)]
    pub once: bool,
    /// Folder of the network. Without it: a temporary one, which is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Tell why a message is where it is.
#[derive(Debug, Args)]
pub struct Why {
    /// Id of the message.
    #[arg(value_name = "ID")]
    pub message: String,
    /// Where the node's API is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5000")]
    pub url: String,
    /// The namespace.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
}

/// Read about the configuration, and check a file.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print a page in Markdown about every key.
    Docs,
    /// Read a file as a start would, and tell what is wrong with it. Nothing is started.
    Check {
        /// Configuration in FireFly's format.
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// See the namespaces of a running node.
#[derive(Debug, Subcommand)]
pub enum Namespaces {
    /// Show the namespaces, and why those that do not run do not.
    List(Spi),
    /// Have the node read its configuration file again: start new namespaces, stop those that are gone, leave the others alone.
    Reload(Spi),
}

/// The administration interface of a node.
#[derive(Debug, Args)]
pub struct Spi {
    /// Where the node's listener 'spi' is; http://name:password@host:port where it asks for a password.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5101")]
    pub url: String,
}

/// Vote to give up a batch that will never come, so that what waits for it goes on.
#[derive(Debug, Args)]
pub struct Release {
    /// Position of its pin on the ledger, as `photinus why` tells it.
    #[arg(value_name = "POSITION")]
    pub position: String,
    /// Give it up on this node alone, at once and without a vote. The node then differs from the others if it still comes to them.
    #[arg(long)]
    pub alone: bool,
    /// Vote although this node waits for nothing there: other members do.
    #[arg(long, conflicts_with = "alone")]
    pub for_others: bool,
    /// Where the node's API is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5000")]
    pub url: String,
    /// The namespace.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
}

/// Measure.
#[derive(Debug, Args)]
pub struct Bench {
    /// Measure this node in place of a network that is made for it. It may be any node with FireFly's API.
    #[arg(long, value_name = "URL", conflicts_with_all = ["database", "growth", "stored"])]
    pub url: Option<String>,
    /// The node of another member, whom the measured node sends private messages to.
    #[arg(long, value_name = "URL", requires = "url")]
    pub peer: Option<String>,
    /// Process of the measured node, whose processor time and memory count. May be given more than once.
    #[arg(long, value_name = "PID", requires = "url")]
    pub pid: Vec<u32>,
    /// Kinds of load, with commas between. Without it: the table of goals, or of a node every kind in turn.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "growth")]
    pub work: Vec<Work>,
    /// Clients, each of which sends its next request when the last one was answered.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub clients: u16,
    /// Requests per second, sent whatever becomes of those before, in place of clients. Times then count from when a request was due.
    #[arg(long, value_name = "PER SECOND", conflicts_with = "clients", value_parser = rate)]
    pub rate: Option<f64>,
    /// Seconds of load for each figure.
    #[arg(long, default_value_t = 8.0)]
    pub seconds: f64,
    /// PostgreSQL server in which each member gets a database, in place of SQLite; `postgres` starts one for the measurement.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Measure how cost grows: with messages stored, topics, members, and messages per batch.
    #[arg(long)]
    pub growth: bool,
    /// Messages in the large store.
    #[arg(long, value_name = "MESSAGES", default_value_t = 1_000_000)]
    pub stored: u64,
    /// Write the figures to this file too, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// A number of requests per second.
fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 1_000_000.0 => Ok(rate),
        _ => Err("a number above 0, at most a million".to_owned()),
    }
}

/// Torture a network.
#[derive(Debug, Args)]
pub struct Torture {
    /// Minutes of load and faults; each kind of fault comes once, even if that takes longer.
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
    /// Seed of the faults. Without it: another one each time, which is printed.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Messages a second that the members are offered together.
    #[arg(long, default_value_t = 100.0)]
    pub rate: f64,
    /// Give each member a database in a PostgreSQL server that is made for it, and restart that too.
    #[arg(long, conflicts_with = "database")]
    pub postgres: bool,
    /// PostgreSQL server in which each member gets a database. It is not restarted.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Seconds for which the members get far more than they can take, behind the faults.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub flood: f64,
    /// Seconds that the members may take in the end until everything is decided.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub settle: u64,
}
