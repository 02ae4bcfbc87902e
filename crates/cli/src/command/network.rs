//! `photinus network up|down|status|reset`

use photinus_node::signal::Stop;

use crate::{
    args::{Network, Up},
    error::Error,
    network::{
        self, Layout, Report,
        prepare::{self, Plan},
        stack::Stack,
        up,
    },
    output::Output,
};

pub(crate) async fn run(command: Network, output: Output) -> Result<(), Error> {
    match command {
        Network::Up(args) => start(args, output).await,
        Network::Down(folder) => {
            let (layout, stack) = network::open(&folder.dir)?;
            let stopped = network::down(&layout, &stack).await?;
            output.say(format_args!("stopped {stopped} processes"));
            Ok(())
        }
        Network::Status(folder) => {
            let (layout, stack) = network::open(&folder.dir)?;
            let report = Report::of(&layout, &stack).await;
            output.data(&report);
            match report.missing() {
                0 => Ok(()),
                count => Err(Error::NotRunning { count, dir: folder.dir }),
            }
        }
        Network::Reset(args) => {
            let (layout, stack) = network::open(&args.folder.dir)?;
            let question =
                format!("Forget everything that the {} members of {} hold?", stack.members.len(), stack.name);
            if !args.yes && !output.confirm(&question) {
                return Err(Error::NotConfirmed);
            }
            network::down(&layout, &stack).await?;
            network::wipe(&layout, &stack).await?;
            let plan = Plan { dir: args.folder.dir, members: None, chain: None, database: None };
            let (layout, stack) = up::up(&plan, output).await?;
            output.data(&Report::of(&layout, &stack).await);
            Ok(())
        }
    }
}

async fn start(args: Up, output: Output) -> Result<(), Error> {
    let plan = Plan {
        dir: args.folder.dir,
        members: args.members.map(prepare::numbered),
        chain: args.chain,
        database: args.database,
    };
    // From here on Ctrl-C must not leave half a network behind.
    let mut stop = Stop::listen()?;
    let started = tokio::select! {
        started = up::up(&plan, output) => started,
        signal = stop.requested() => {
            output.say(format_args!("{signal}: stopping what was started"));
            let (layout, stack) = network::open(&plan.dir)?;
            network::down(&layout, &stack).await?;
            return Err(Error::Interrupted);
        }
    };
    let (layout, stack) = started?;
    output.data(&Report::of(&layout, &stack).await);
    if args.foreground {
        output.say("Ctrl-C stops the network");
        until_stopped(&layout, &stack, &mut stop, output).await?;
    }
    Ok(())
}

/// Waits for a signal and stops the network.
pub(crate) async fn until_stopped(
    layout: &Layout,
    stack: &Stack,
    stop: &mut Stop,
    output: Output,
) -> Result<(), Error> {
    let signal = stop.requested().await;
    output.say(format_args!("{signal}: stopping the network"));
    let stopped = network::down(layout, stack).await?;
    output.say(format_args!("stopped {stopped} processes"));
    Ok(())
}
