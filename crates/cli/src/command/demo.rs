//! `photinus demo`

use std::{path::PathBuf, time::Instant};

use photinus_node::signal::Stop;

use crate::{
    args,
    demo::{self, CAST},
    error::Error,
    network::{self, Layout, Report, prepare::Plan, stack::Stack, up},
    output::Output,
};

pub(crate) async fn run(args: args::Demo, output: Output) -> Result<(), Error> {
    let mut stop = Stop::listen()?;
    // The folder goes when this is dropped, after the network was stopped.
    let temporary = match &args.dir {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(Error::file("create", &std::env::temp_dir()))?),
    };
    let folder = temporary.as_ref().map(|folder| folder.path().join("demo"));
    let dir = args.dir.or(folder).unwrap_or_else(|| PathBuf::from("photinus-demo"));
    let cast = CAST.map(|(org, node)| (org.to_owned(), node.to_owned())).to_vec();
    let plan = Plan { dir, members: Some(cast), chain: None, database: None };
    let result = tokio::select! {
        result = perform(&plan, args.once, output) => result,
        signal = stop.requested() => {
            output.say(format_args!("{signal}: stopping"));
            Err(Error::Interrupted)
        }
    };
    let network = match (result, network::open(&plan.dir)) {
        (Ok(Some((layout, stack))), _) => {
            let ended = super::network::until_stopped(&layout, &stack, &mut stop, output).await;
            return ended;
        }
        (result, Ok(network)) => (result.map(drop), network),
        (result, Err(_)) => return result.map(drop),
    };
    let (result, (layout, stack)) = network;
    network::down(&layout, &stack).await?;
    result
}

/// Brings the members up and plays. Returns the network when it is to stay.
async fn perform(plan: &Plan, once: bool, output: Output) -> Result<Option<(Layout, Stack)>, Error> {
    let began = Instant::now();
    let (layout, stack) = up::up(plan, output).await?;
    output.say(format_args!("up after {:.1} s", began.elapsed().as_secs_f64()));
    let agreement = demo::play(&layout, &stack, output).await?;
    output.data(&agreement);
    if once {
        return Ok(None);
    }
    output.say("the network stays up; Ctrl-C stops it");
    output.data(&Report::of(&layout, &stack).await);
    Ok(Some((layout, stack)))
}
