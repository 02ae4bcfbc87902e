//! Decides what a local network consists of and writes it down: ports, accounts, certificates, configurations, and the
//! multiparty contract on its chain. Starts nothing.

use std::path::{Path, PathBuf};

use photinus_devchain::TEST_MNEMONIC;
use photinus_ethereum::options::Url;
use photinus_exchange_https::Identity;
use serde_json::Value;

use super::{
    chain::{self, Node},
    database,
    layout::Layout,
    ports::{self, Ports},
    settings,
    stack::{self, Account, Member, Own, Postgres, Stack, State},
};
use crate::error::Error;

/// Funded accounts beside those of the members.
pub(crate) const EXTRA_ACCOUNTS: usize = 10;

/// What a network is to be made of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Its folder.
    pub(crate) dir: PathBuf,
    /// Organisation and node of each member. `None`: as it was made, else two.
    pub(crate) members: Option<Vec<(String, String)>>,
    /// A chain that somebody else runs.
    pub(crate) chain: Option<String>,
    /// A PostgreSQL server.
    pub(crate) database: Option<String>,
}

/// The names that FireFly's own tool gives.
pub(crate) fn numbered(count: u16) -> Vec<(String, String)> {
    (0..count).map(|index| (format!("org_{index}"), format!("node_{index}"))).collect()
}

/// The network of the plan, made if it is not there. The caller holds the lock.
pub(crate) async fn network(layout: &Layout, plan: &Plan, http: &reqwest::Client) -> Result<Stack, Error> {
    match stack::load(layout)? {
        Some(stack) => same(layout, plan, &stack).map(|()| stack),
        None => make(layout, plan, http).await,
    }
}

/// Refuses options that contradict how the network was made.
fn same(layout: &Layout, plan: &Plan, stack: &Stack) -> Result<(), Error> {
    let different =
        |found: String, wanted: String| Err(Error::Different { dir: layout.dir().to_owned(), found, wanted });
    if let Some(members) = &plan.members
        && members.len() != stack.members.len()
    {
        return different(format!("{} members", stack.members.len()), members.len().to_string());
    }
    if plan.chain.is_some() && plan.chain != stack.photinus.chain_url {
        return different("another chain".into(), "the one of --chain".into());
    }
    if plan.database.is_some() && plan.database != stack.photinus.postgres.as_ref().map(|server| server.url.clone()) {
        return different("another database".into(), "the one of --database".into());
    }
    Ok(())
}

/// Decides ports and accounts, and writes them down.
async fn make(layout: &Layout, plan: &Plan, http: &reqwest::Client) -> Result<Stack, Error> {
    if layout.is_occupied() {
        return Err(Error::Occupied(layout.dir().to_owned()));
    }
    let name = network_name(layout.dir());
    let members = plan.members.clone().unwrap_or_else(|| numbered(2));
    let development = match &plan.chain {
        None => true,
        Some(url) => Node::new(http.clone(), url).is_for_development().await?,
    };
    let accounts = if development {
        chain::development(0, members.len() + EXTRA_ACCOUNTS)?
    } else {
        chain::random(members.len())?
    };
    let stack = assemble(name, &members, &accounts, plan)?;
    stack::save(&layout.stack(), &stack)?;
    let known = accounts.iter().map(|account| Account { private_key: None, ..account.clone() }).collect();
    stack::save(&layout.state(), &State { accounts: known, ..State::default() })?;
    Ok(stack)
}

fn assemble(name: String, members: &[(String, String)], accounts: &[Account], plan: &Plan) -> Result<Stack, Error> {
    let mut ports = Ports::default();
    let chain_port = ports.pick(ports::SERVICES)?;
    let mut described = Vec::with_capacity(members.len());
    for (index, ((org, node), account)) in members.iter().zip(accounts).enumerate() {
        let offset = u16::try_from(index).unwrap_or(u16::MAX);
        let services = ports::SERVICES.saturating_add(offset.saturating_mul(100));
        described.push(Member {
            id: index.to_string(),
            index,
            org_name: org.clone(),
            node_name: node.clone(),
            account: account.clone(),
            firefly_hostname: "127.0.0.1".into(),
            exposed_firefly_port: ports.pick(ports::REST.saturating_add(offset))?,
            exposed_firefly_admin_port: ports.pick(services.saturating_add(1))?,
            exposed_dataexchange_port: ports.pick(services.saturating_add(2))?,
            exposed_firefly_metrics_port: ports.pick(services.saturating_add(3))?,
        });
    }
    let postgres = plan.database.clone().map(|url| {
        // Networks of the same name may share a server.
        let prefix = format!("photinus_{}", hex::encode(rand::random::<[u8; 4]>()));
        Postgres { url, prefix }
    });
    Ok(Stack {
        name,
        exposed_blockchain_port: chain_port,
        blockchain_provider: "ethereum".into(),
        blockchain_connector: "evmconnect".into(),
        database: if postgres.is_some() { "postgres" } else { "sqlite3" }.into(),
        token_providers: Vec::new(),
        multiparty: true,
        members: described,
        photinus: Own::new(plan.chain.clone(), postgres),
    })
}

fn network_name(dir: &Path) -> String {
    dir.file_name().map_or_else(|| "network".into(), |name| name.to_string_lossy().into_owned())
}

/// Makes sure that the multiparty contract is on the chain. Returns its location.
pub(crate) async fn contract(layout: &Layout, stack: &Stack, node: &Node) -> Result<Value, Error> {
    let mut state = stack::load_state(layout)?
        .ok_or_else(|| Error::Malformed { path: layout.state(), reason: "it is missing".into() })?;
    if let Some(location) = state.multiparty() {
        let address = location["address"].as_str().unwrap_or_default();
        if node.has_contract(address).await? {
            return Ok(location.clone());
        }
        // Members would wait for pins that are gone.
        return Err(Error::ChainReplaced {
            dir: layout.dir().to_owned(),
            url: Url::new(node.url()).to_string(),
            contract: address.to_owned(),
        });
    }
    let payer = stack.members.first().and_then(|member| member.account.private_key.clone()).unwrap_or_default();
    let address = chain::deploy(node.url(), &payer).await?;
    state.set_multiparty(&address);
    stack::save(&layout.state(), &state)?;
    Ok(serde_json::json!({"address": address}))
}

/// JSON-RPC of the network's chain.
pub(crate) fn chain_url(stack: &Stack) -> String {
    match &stack.photinus.chain_url {
        Some(url) => url.clone(),
        None => format!("http://127.0.0.1:{}", stack.exposed_blockchain_port),
    }
}

/// Writes certificates, keys and configurations of members that have none, and makes their databases. A configuration
/// that is there is kept: it may have been edited.
pub(crate) async fn members(layout: &Layout, stack: &Stack, contract: &Value) -> Result<(), Error> {
    if stack.members.iter().all(|member| layout.config(member.index).exists()) {
        return Ok(());
    }
    let peers = stack.members.iter().map(|member| certificate(layout, member)).collect::<Result<Vec<_>, _>>()?;
    let url = chain_url(stack);
    let ws_url = stack.photinus.chain_url.is_none().then(|| url.replacen("http://", "ws://", 1));
    let state = stack::load_state(layout)?.unwrap_or_default();
    let members = stack.members.len();
    let extra = state.accounts.len().saturating_sub(members);
    let shared = settings::Shared {
        chain_url: &url,
        chain_ws_url: ws_url.as_deref(),
        contract,
        extra: (extra > 0).then_some((TEST_MNEMONIC, members, extra)),
        peers: &peers,
    };
    for member in &stack.members {
        if let Some(server) = &stack.photinus.postgres {
            database::create(&server.url, &format!("{}_{}", server.prefix, member.index)).await?;
        }
        let key = member.account.private_key.clone().unwrap_or_default();
        stack::write_private(&layout.key(member.index), format!("{key}\n").as_bytes())?;
        let settings = settings::of_member(layout, stack, member, &shared);
        let text = photinus_node::config::to_yaml(&settings);
        stack::write_private(&layout.config(member.index), text.as_bytes())?;
    }
    Ok(())
}

fn certificate(layout: &Layout, member: &Member) -> Result<settings::Peer, Error> {
    let dir = layout.exchange(member.index);
    let identity = Identity::load_or_create(&dir, &member.org_name, &member.firefly_hostname)
        .map_err(|error| Error::Malformed { path: dir, reason: error.to_string() })?;
    Ok(settings::Peer {
        endpoint: format!("https://{}:{}", member.firefly_hostname, member.exposed_dataexchange_port),
        fingerprint: identity.fingerprint().to_string(),
    })
}
