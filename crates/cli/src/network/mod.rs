//! Local networks: one process for each member and one for the chain, described by files in one folder.

pub(crate) mod chain;
pub(crate) mod client;
mod database;
mod layout;
pub(crate) mod ports;
pub(crate) mod prepare;
mod process;
mod settings;
mod single;
pub(crate) mod stack;
pub(crate) mod standalone;
mod status;
pub(crate) mod up;

use std::path::Path;

pub(crate) use layout::Layout;
pub(crate) use single::{
    drop_databases, ended, kill, pause, prepare_for_torture, resume, runs, start_chain, start_member,
};
use stack::Stack;
pub(crate) use status::Report;

use crate::error::Error;

/// Name of the chain's process.
pub(crate) const CHAIN: &str = "chain";

/// The network in a folder.
pub(crate) fn open(dir: &Path) -> Result<(Layout, Stack), Error> {
    let layout = Layout::of(dir)?;
    let stack = stack::load(&layout)?.ok_or_else(|| Error::NoNetwork(dir.to_owned()))?;
    Ok((layout, stack))
}

/// Stops what runs: members first, so that they can finish with the chain. Returns how many processes ran.
pub(crate) async fn down(layout: &Layout, stack: &Stack) -> Result<usize, Error> {
    let _lock = layout.lock()?;
    let members: Vec<String> = stack.members.iter().map(stack::Member::process).collect();
    let stopped = process::stop(layout, &members).await?;
    Ok(stopped + process::stop(layout, &[CHAIN.to_owned()]).await?)
}

/// Stops one member; the others run on.
pub(crate) async fn lose(layout: &Layout, member: &stack::Member) -> Result<(), Error> {
    let _lock = layout.lock()?;
    process::stop(layout, &[member.process()]).await.map(drop)
}

/// Process ids of everything that the network runs.
pub(crate) fn pids(layout: &Layout, stack: &Stack) -> Vec<u32> {
    let members = stack.members.iter().map(stack::Member::process);
    members.chain([CHAIN.to_owned()]).filter_map(|name| process::find(layout, &name)).map(|found| found.pid).collect()
}

/// Process id of a member.
pub(crate) fn pid_of(layout: &Layout, member: &stack::Member) -> Option<u32> {
    process::find(layout, &member.process()).map(|found| found.pid)
}

/// Removes a stopped network's data, its databases included. What remains is `stack.json`: the same ports, accounts and names.
pub(crate) async fn wipe(layout: &Layout, stack: &Stack) -> Result<(), Error> {
    let _lock = layout.lock()?;
    drop_databases(stack).await?;
    let accounts = stack::load_state(layout)?.unwrap_or_default().accounts;
    let runtime = layout.runtime();
    match std::fs::remove_dir_all(&runtime) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::file("remove", &runtime)(error));
        }
        _ => {}
    }
    stack::save(&layout.state(), &stack::State { accounts, ..stack::State::default() })
}

#[cfg(test)]
mod tests;
