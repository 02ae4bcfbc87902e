//! Runs a local network: a process for the chain, one for each member, and everybody registered.

use std::{process::Child, time::Duration};

use futures::future::try_join_all;
use tokio::time::Instant;

use super::{
    CHAIN,
    chain::Node,
    client::Client,
    layout::Layout,
    ports,
    prepare::{self, EXTRA_ACCOUNTS, Plan},
    process,
    stack::{Member, Stack},
};
use crate::{error::Error, output::Output};

/// How long processes may take to answer, and members to register.
pub(crate) const READY: Duration = Duration::from_secs(60);

/// Makes the network of the plan if it is not there, starts what does not run, and registers who is not registered.
pub(crate) async fn up(plan: &Plan, output: Output) -> Result<(Layout, Stack), Error> {
    up_on(ports::Choosing::begin().await, plan, output).await
}

/// As [`up`], for who has begun to choose ports already.
pub(crate) async fn up_on(choosing: ports::Choosing, plan: &Plan, output: Output) -> Result<(Layout, Stack), Error> {
    let http = reqwest::Client::new();
    let layout = Layout::of(&plan.dir)?;
    let _lock = layout.lock()?;
    let stack = prepare::network(&layout, plan, &http).await?;
    let deadline = Instant::now() + READY;
    let node = Node::new(http.clone(), prepare::chain_url(&stack));
    if stack.photinus.chain_url.is_none() {
        let mut child = match process::find(&layout, CHAIN) {
            Some(_) => None,
            None => Some(spawn_chain(&layout, &stack)?),
        };
        answered(&layout, CHAIN, child.as_mut(), node.answers(deadline)).await?;
    }
    let contract = prepare::contract(&layout, &stack, &node).await?;
    prepare::members(&layout, &stack, &contract).await?;
    start_members(&layout, &stack, &http, deadline).await?;
    drop(choosing);
    register(&stack, &http, output, deadline).await?;
    Ok((layout, stack))
}

pub(super) fn spawn_chain(layout: &Layout, stack: &Stack) -> Result<Child, Error> {
    let port = stack.exposed_blockchain_port.to_string();
    let accounts = (stack.members.len() + EXTRA_ACCOUNTS).to_string();
    let data = layout.chain_data();
    let data = data.to_string_lossy();
    let arguments = ["chain", "--port", &port, "--data-dir", &data, "--accounts", &accounts];
    process::spawn(layout, CHAIN, &arguments)
}

pub(super) fn spawn_member(layout: &Layout, member: &Member) -> Result<Child, Error> {
    let config = layout.config(member.index);
    process::spawn(layout, &member.process(), &["start", "--file", &config.to_string_lossy()])
}

async fn start_members(layout: &Layout, stack: &Stack, http: &reqwest::Client, deadline: Instant) -> Result<(), Error> {
    let mut children = Vec::with_capacity(stack.members.len());
    for member in &stack.members {
        let name = member.process();
        let child = match process::find(layout, &name) {
            Some(_) => None,
            None => Some(spawn_member(layout, member)?),
        };
        children.push((name, child, Client::new(http.clone(), member)));
    }
    try_join_all(children.iter_mut().map(|(name, child, client)| async move {
        answered(layout, name, child.as_mut(), client.ready(deadline)).await
    }))
    .await?;
    Ok(())
}

/// Waits for a process to be ready, or to end.
pub(super) async fn answered(
    layout: &Layout,
    name: &str,
    child: Option<&mut Child>,
    ready: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    let Some(child) = child else { return ready.await };
    let ended = async {
        loop {
            if let Ok(Some(status)) = child.try_wait() {
                return process::failed(layout, name, format!("ended at once ({status})"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        result = ready => result,
        error = ended => Err(error),
    }
}

async fn register(stack: &Stack, http: &reqwest::Client, output: Output, deadline: Instant) -> Result<(), Error> {
    let clients: Vec<Client> = stack.members.iter().map(|member| Client::new(http.clone(), member)).collect();
    try_join_all(clients.iter().map(Client::register)).await?;
    try_join_all(clients.iter().map(|client| client.sees_nodes(clients.len(), deadline))).await?;
    output.say(format_args!("{} members run and are registered", clients.len()));
    Ok(())
}
