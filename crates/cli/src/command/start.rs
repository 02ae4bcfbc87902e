//! `photinus start`

use std::path::Path;

use photinus_node::{
    Node,
    config::{self, Loaded},
    logging,
    signal::Stop,
};

use crate::{args, error::Error, network::standalone, output::Output};

pub(crate) async fn run(args: args::Start, output: Output) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    match args.file {
        Some(file) => from_file(&file, &mut stop).await,
        None => alone(&args.dir, &mut stop, output).await,
    }
}

/// Reads a configuration and tells what the operator should know of it.
fn load(file: &Path) -> Result<Loaded, Error> {
    let loaded = config::load(file)?;
    logging::init(&loaded.config.log)?;
    if !loaded.ignored.is_empty() {
        let keys: Vec<&str> = loaded.ignored.iter().map(|ignored| ignored.path.as_str()).collect();
        tracing::info!(keys = keys.join(", "), "settings of the configuration that have no meaning here");
    }
    for stranger in &loaded.strangers {
        tracing::warn!("{stranger}");
    }
    Ok(loaded)
}

/// Runs the node of a configuration file until a signal.
async fn from_file(file: &Path, stop: &mut Stop) -> Result<(), Error> {
    let loaded = load(file)?;
    let node = tokio::select! {
        node = Node::start_from(loaded.config, file.to_owned()) => node?,
        _ = stop.requested() => return Err(Error::Interrupted),
    };
    let signal = stop.requested().await;
    tracing::info!(signal, "stopping");
    if stop.or_forced(node.stop()).await { Ok(()) } else { Err(Error::Forced) }
}

/// Runs one member with a chain of its own.
async fn alone(dir: &Path, stop: &mut Stop, output: Output) -> Result<(), Error> {
    super::log_to_stderr()?;
    let running = tokio::select! {
        running = standalone::start(dir, output) => running?,
        _ = stop.requested() => return Err(Error::Interrupted),
    };
    output.data(running.addresses());
    output.say("Ctrl-C stops the member");
    stop.requested().await;
    if stop.or_forced(running.stop()).await { Ok(()) } else { Err(Error::Forced) }
}
