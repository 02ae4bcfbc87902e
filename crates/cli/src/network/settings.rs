//! The configuration file of one member of a local network.

use serde_json::{Value, json};

use super::{
    layout::Layout,
    stack::{Member, Stack},
};

/// What the members know of each other before the ledger tells them.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) endpoint: String,
    /// SHA-256 of its certificate, in hexadecimal.
    pub(crate) fingerprint: String,
}

/// What all members share.
pub(crate) struct Shared<'a> {
    /// JSON-RPC of the chain.
    pub(crate) chain_url: &'a str,
    /// Its WebSocket, where there is one.
    pub(crate) chain_ws_url: Option<&'a str>,
    /// Location of the multiparty contract.
    pub(crate) contract: &'a Value,
    /// The phrase of the accounts that every member can sign with, the first of them, and their number.
    pub(crate) extra: Option<(&'a str, usize, usize)>,
    /// Endpoint and certificate of each member, in order.
    pub(crate) peers: &'a [Peer],
}

/// The URL of a member's database in a server: its path replaced by the database's name.
pub(crate) fn database_url(server: &str, database: &str) -> String {
    let (address, query) = server.split_once('?').map_or((server, None), |(address, query)| (address, Some(query)));
    let scheme_end = address.find("://").map_or(0, |at| at + 3);
    let host_end = address[scheme_end..].find('/').map_or(address.len(), |at| scheme_end + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/{database}{query}", &address[..host_end])
}

/// The settings of a member.
pub(crate) fn of_member(layout: &Layout, stack: &Stack, member: &Member, shared: &Shared<'_>) -> Value {
    let listener = |port: u16| json!({"address": member.firefly_hostname, "port": port, "publicURL": format!("http://{}:{port}", member.firefly_hostname)});
    let mut spi = listener(member.exposed_firefly_admin_port);
    spi["enabled"] = true.into();
    let mut monitoring = listener(member.exposed_firefly_metrics_port);
    monitoring["enabled"] = true.into();
    let mut settings = json!({
        "log": {"level": "info"},
        "http": listener(member.exposed_firefly_port),
        "spi": spi,
        "monitoring": monitoring,
        // Applications of a development network run on the same machine.
        "events": {"webhooks": {"guard": {"allow": ["127.0.0.0/8", "::1"]}}},
        "plugins": {
            "blockchain": [blockchain(layout, member, shared)],
            "database": [database(layout, stack, member)],
            "dataexchange": [{"name": "dataexchange0", "type": "https", "https": exchange(layout, stack, member, shared)}],
            "sharedstorage": [{"name": "sharedstorage0", "type": "embedded", "embedded": {
                "directory": layout.data(member.index).join("storage"),
            }}],
        },
        "namespaces": {"default": "default", "predefined": [{
            "name": "default",
            "description": "Default predefined namespace",
            "defaultKey": member.account.address,
            "plugins": ["database0", "blockchain0", "dataexchange0", "sharedstorage0"],
            "multiparty": {
                "enabled": true,
                "org": {"name": member.org_name, "key": member.account.address},
                "node": {"name": member.node_name},
                "contract": [{"location": shared.contract, "firstEvent": "0"}],
            },
        }]},
    });
    for (name, section) in stack.photinus.sections.iter().flatten() {
        settings[name] = section.clone();
    }
    settings
}

fn blockchain(layout: &Layout, member: &Member, shared: &Shared<'_>) -> Value {
    let mut keys = json!({"files": [layout.key(member.index)]});
    if let Some((phrase, first, count)) = shared.extra {
        keys["mnemonic"] = json!({"phrase": phrase, "first": first, "count": count});
    }
    let mut evm = json!({"url": shared.chain_url, "keys": keys});
    if let Some(url) = shared.chain_ws_url {
        evm["wsUrl"] = url.into();
    }
    json!({"name": "blockchain0", "type": "evm", "evm": evm})
}

fn database(layout: &Layout, stack: &Stack, member: &Member) -> Value {
    match &stack.photinus.postgres {
        Some(server) => {
            let url = database_url(&server.url, &format!("{}_{}", server.prefix, member.index));
            json!({"name": "database0", "type": "postgres", "postgres": {"url": url}})
        }
        None => {
            let file = layout.data(member.index).join("node.db");
            json!({"name": "database0", "type": "sqlite3", "sqlite3": {"url": file}})
        }
    }
}

fn exchange(layout: &Layout, stack: &Stack, member: &Member, shared: &Shared<'_>) -> Value {
    let behind = stack.photinus.exchange_ports.as_ref().and_then(|ports| ports.get(member.index));
    let mut exchange = json!({
        "directory": layout.exchange(member.index),
        "id": member.org_name,
        "port": behind.unwrap_or(&member.exposed_dataexchange_port),
        "peers": peers(member, shared.peers),
    });
    if let (Some(_), Some(own)) = (behind, shared.peers.get(member.index)) {
        exchange["endpoint"] = json!(own.endpoint);
    }
    exchange
}

fn peers(member: &Member, all: &[Peer]) -> Value {
    all.iter()
        .enumerate()
        .filter(|(index, _)| *index != member.index)
        .map(|(_, peer)| json!({"endpoint": peer.endpoint, "fingerprint": peer.fingerprint}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::database_url;

    #[test]
    fn the_database_takes_the_place_of_the_path() {
        for (server, url) in [
            ("postgres://u:p@h:5432", "postgres://u:p@h:5432/net_0"),
            ("postgres://u:p@h:5432/", "postgres://u:p@h:5432/net_0"),
            ("postgres://h/postgres?sslmode=disable", "postgres://h/net_0?sslmode=disable"),
            ("postgres://h?host=/run", "postgres://h/net_0?host=/run"),
        ] {
            assert_eq!(database_url(server, "net_0"), url);
        }
    }
}
