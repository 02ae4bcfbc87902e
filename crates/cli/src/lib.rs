//! The `photinus` command: nodes, local networks, the chain, the demonstration.
//!
//! Data goes to standard output and everything else to standard error, both through [`output`]. What a node does is not here;
//! a local network is driven through the members' REST interface, as any application would.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "tests"))]

pub mod args;
mod bench;
mod command;
mod demo;
pub mod error;
mod network;
pub mod output;
mod torture;

use args::{Command, Photinus};
use clap::CommandFactory;
use error::Error;
use output::Output;

/// Runs a command line that was parsed.
///
/// # Errors
/// What went wrong; it knows its exit code and the next step.
pub async fn run(arguments: Photinus) -> Result<(), Error> {
    let output = Output::new(arguments.output);
    match arguments.command {
        Command::Start(args) => command::start::run(args, output).await,
        Command::Chain(args) => command::chain::run(args, output).await,
        Command::Network(args) => command::network::run(args, output).await,
        Command::Deploy(args) => command::deploy::run(args, output).await,
        Command::Demo(args) => command::demo::run(args, output).await,
        Command::Bench(args) => bench::run(args, output).await,
        Command::Torture(args) => torture::run(args, output).await,
        Command::Release(args) => command::release::run(args, output).await,
        Command::Why(args) => command::why::run(args, output).await,
        Command::Config(args) => command::config::run(args, output),
        Command::Namespaces(args) => command::namespaces::run(args, output).await,
        Command::Version => {
            output.data(&command::version::THIS);
            Ok(())
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Photinus::command(), "photinus", &mut script);
            output.raw(&script);
            Ok(())
        }
    }
}
