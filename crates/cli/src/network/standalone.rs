//! One member with a chain of its own, both in this process: what `photinus start` runs without a configuration file. Its
//! folder is laid out as that of a network with one member.

use std::{fmt, fs::File, path::Path};

use photinus_devchain::{Chain, Handle, Options};
use photinus_node::{Node, config};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    chain,
    client::Client,
    layout::Layout,
    ports,
    prepare::{self, EXTRA_ACCOUNTS, Plan},
    up::READY,
};
use crate::{error::Error, output::Output};

/// A running member with its chain.
pub(crate) struct Standalone {
    node: Node,
    chain: Handle,
    addresses: Addresses,
    _lock: File,
}

/// Where it is reached.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Addresses {
    url: String,
    chain_url: String,
    organization: String,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "API           {}/api/v1", self.url)?;
        writeln!(f, "try it        {}/api", self.url)?;
        writeln!(f, "organisation  {}", self.organization)?;
        write!(f, "chain         {}", self.chain_url)
    }
}

/// Starts the member of a folder, which is made if it is not there.
pub(crate) async fn start(dir: &Path, output: Output) -> Result<Standalone, Error> {
    let http = reqwest::Client::new();
    let plan = Plan { dir: dir.to_owned(), members: Some(prepare::numbered(1)), chain: None, database: None };
    let layout = Layout::of(dir)?;
    let lock = layout.lock()?;
    let choosing = ports::Choosing::begin().await;
    let stack = prepare::network(&layout, &plan, &http).await?;
    let accounts = u32::try_from(stack.members.len() + EXTRA_ACCOUNTS).unwrap_or(u32::MAX);
    let chain = Chain::start(Options {
        port: stack.exposed_blockchain_port,
        data_dir: Some(layout.chain_data()),
        accounts,
        ..Options::default()
    })
    .await?;
    let contract = prepare::contract(&layout, &stack, &chain::Node::new(http.clone(), chain.url())).await?;
    prepare::members(&layout, &stack, &contract).await?;
    let loaded = config::load(&layout.config(0))?;
    let node = Node::start(loaded.config).await?;
    drop(choosing);
    let deadline = Instant::now() + READY;
    for member in &stack.members {
        let client = Client::new(http.clone(), member);
        client.ready(deadline).await?;
        client.register().await?;
        client.sees_nodes(stack.members.len(), deadline).await?;
        output.say(format_args!("{} is registered", client.name()));
    }
    let addresses = Addresses {
        url: stack.members.first().map(super::stack::Member::url).unwrap_or_default(),
        chain_url: chain.url(),
        organization: stack.members.first().map(|member| member.org_name.clone()).unwrap_or_default(),
    };
    Ok(Standalone { node, chain, addresses, _lock: lock })
}

impl Standalone {
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Stops the member, then the chain.
    pub(crate) async fn stop(self) {
        self.node.stop().await;
        self.chain.stop().await;
    }
}
