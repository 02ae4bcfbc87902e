//! One process of a network at a time: ended without a word, stopped in its tracks, started alone.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::{
    CHAIN, Layout,
    chain::Node,
    client::Client,
    database,
    ports::Ports,
    prepare::{self, Plan},
    process,
    stack::{self, Stack},
    up,
};
use crate::error::Error;

/// Makes a network, without starting it, whose exchanges listen elsewhere than they are announced, so that something can stand
/// between, and whose members take no more messages at once than this.
pub(crate) async fn prepare_for_torture(
    layout: &Layout,
    plan: &Plan,
    backlog: usize,
    http: &reqwest::Client,
) -> Result<Stack, Error> {
    let _lock = layout.lock()?;
    let mut stack = prepare::network(layout, plan, http).await?;
    let mut ports = Ports::default();
    for member in &stack.members {
        ports.take(member.exposed_dataexchange_port);
        ports.take(member.exposed_firefly_port);
        ports.take(member.exposed_firefly_admin_port);
        ports.take(member.exposed_firefly_metrics_port);
    }
    let behind = stack.members.iter().map(|member| ports.pick(member.exposed_dataexchange_port.saturating_add(10)));
    stack.photinus.exchange_ports = Some(behind.collect::<Result<_, _>>()?);
    let sections = [("message".to_owned(), serde_json::json!({"backlog": {"count": backlog}}))];
    stack.photinus.sections = Some(sections.into_iter().collect());
    stack::save(&layout.stack(), &stack)?;
    Ok(stack)
}

/// Whether a process runs.
pub(crate) fn runs(layout: &Layout, name: &str) -> bool {
    process::find(layout, name).is_some()
}

/// Ends a process as a power cut would.
pub(crate) fn kill(layout: &Layout, name: &str) {
    process::send(layout, name, Signal::KILL);
}

/// Stops a process where it is.
pub(crate) fn pause(layout: &Layout, name: &str) {
    process::send(layout, name, Signal::STOP);
}

/// Lets a process go on.
pub(crate) fn resume(layout: &Layout, name: &str) {
    process::send(layout, name, Signal::CONT);
}

/// Starts the process of a member and waits until it answers.
pub(crate) async fn start_member(
    layout: &Layout,
    stack: &Stack,
    member: usize,
    http: &reqwest::Client,
    patience: Duration,
) -> Result<(), Error> {
    let Some(member) = stack.members.get(member) else { return Ok(()) };
    let mut child = up::spawn_member(layout, member)?;
    let client = Client::new(http.clone(), member);
    up::answered(layout, &member.process(), Some(&mut child), client.ready(Instant::now() + patience)).await
}

/// Starts the process of the chain and waits until it answers.
pub(crate) async fn start_chain(
    layout: &Layout,
    stack: &Stack,
    http: &reqwest::Client,
    patience: Duration,
) -> Result<(), Error> {
    let mut child = up::spawn_chain(layout, stack)?;
    let node = Node::new(http.clone(), prepare::chain_url(stack));
    up::answered(layout, CHAIN, Some(&mut child), node.answers(Instant::now() + patience)).await
}

/// A process that ended by itself, as an error that shows what it said.
pub(crate) fn ended(layout: &Layout, name: &str) -> Error {
    process::failed(layout, name, "ended by itself")
}

/// Removes the members' databases from a server that stays.
pub(crate) async fn drop_databases(stack: &Stack) -> Result<(), Error> {
    let Some(server) = &stack.photinus.postgres else { return Ok(()) };
    for member in &stack.members {
        database::drop(&server.url, &format!("{}_{}", server.prefix, member.index)).await?;
    }
    Ok(())
}
