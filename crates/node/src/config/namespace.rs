//! `namespaces.predefined[]`

use std::collections::{BTreeMap, HashSet};

use photinus_engine::options::{Contract, Node, Organization, PrivateOrder};
use photinus_ports::blockchain::FirstEvent;

use super::{
    plugin::{Auth, Read},
    section::Section,
    webhooks::{self, Tls},
};

/// Names that no namespace may have.
const RESERVED: &str = "ff_system";

/// One namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Local name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Signs when a sender names neither author nor key.
    pub default_key: Option<String>,
    /// Name of its blockchain plug-in. Like the data exchange and the shared storage, empty outside a network.
    pub blockchain: String,
    /// Name of its database plug-in.
    pub database: String,
    /// Name of its data exchange plug-in.
    pub data_exchange: String,
    /// Name of its shared storage plug-in.
    pub shared_storage: String,
    /// Who may use it; absent when everybody may.
    pub auth: Option<Auth>,
    /// The network that it is part of.
    pub multiparty: Multiparty,
    /// TLS that subscriptions choose by name.
    pub tls: BTreeMap<String, Tls>,
}

/// What makes a namespace part of a network.
#[derive(Clone, Debug)]
pub struct Multiparty {
    /// Whether there is a network. The rest is empty where there is none.
    pub enabled: bool,
    /// Name that the members share. Default: the local name.
    pub network_namespace: String,
    /// How private messages of different authors stand to each other.
    pub private_order: PrivateOrder,
    /// Whose node this is.
    pub org: Organization,
    /// Which node of it.
    pub node: Node,
    /// Multiparty contracts in order of use.
    pub contracts: Vec<Contract>,
}

pub(super) fn read(root: &Section<'_>, plugins: &Read) -> Vec<Namespace> {
    let list = root.section("namespaces").list("predefined");
    if list.is_empty() {
        root.section("namespaces").problem("predefined", "needs at least one namespace");
    }
    let mut names = HashSet::new();
    list.iter()
        .map(|section| {
            let namespace = one(root, section, plugins);
            if !names.insert(namespace.name.clone()) {
                section.problem("name", format!("is '{}', as that of another namespace", namespace.name));
            }
            namespace
        })
        .collect()
}

fn one(root: &Section<'_>, section: &Section<'_>, plugins: &Read) -> Namespace {
    let name = section.required("name");
    check_name(section, "name", &name);
    let chosen = section.texts("plugins");
    let multiparty = multiparty(root, &section.section("multiparty"), &name);
    if let Some(names) = &chosen {
        for unknown in names.iter().filter(|name| !plugins.is_named(name)) {
            section.problem("plugins", format!("names '{unknown}', which is not one of the plug-ins of this file"));
        }
    }
    let pick = |category: &str, candidates: Vec<&str>, needed: bool| {
        let is_chosen = |name: &&str| chosen.as_ref().is_none_or(|chosen| chosen.iter().any(|wanted| wanted == name));
        let chosen: Vec<&str> = candidates.into_iter().filter(is_chosen).collect();
        match chosen.as_slice() {
            [one] => return (*one).to_owned(),
            // One that could not be read has been complained about.
            [] if !needed || plugins.is_incomplete(category) => {}
            [] => section.problem("plugins", format!("gives the namespace no {category} plug-in, and it needs one")),
            several => {
                let names = several.join(", ");
                section.problem("plugins", format!("must choose one of the {category} plug-ins {names}"));
            }
        }
        String::new()
    };
    let names = plugins.by_category();
    let auth = pick("auth", names.auth, false);
    // What belongs to a network is not used without one, so it need not be chosen.
    let of_network = |category: &str, candidates: Vec<&str>| {
        if multiparty.enabled { pick(category, candidates, true) } else { String::new() }
    };
    let namespace = Namespace {
        description: section.text("description").unwrap_or_default(),
        default_key: section.text("defaultKey"),
        blockchain: of_network("blockchain", names.blockchain),
        database: pick("database", names.database, true),
        data_exchange: of_network("dataexchange", names.data_exchange),
        shared_storage: of_network("sharedstorage", names.shared_storage),
        auth: plugins.plugins.auth.iter().find(|plugin| plugin.name == auth).cloned(),
        multiparty,
        tls: webhooks::tls_configs(section),
        name,
    };
    if plugins.cannot_replicate(&namespace.data_exchange, &namespace.shared_storage) {
        section.problem(
            "plugins",
            "gives the namespace a shared storage of type embedded, which members replicate over a data exchange of type https; \
             beside one of type ffdx, use a storage of type ipfs",
        );
    }
    namespace
}

fn check_name(section: &Section<'_>, key: &str, name: &str) {
    if name == RESERVED {
        section.problem(key, format!("cannot be '{RESERVED}', which is reserved"));
    } else if !name.is_empty()
        && let Err(error) = photinus_model::name::check(name, key)
    {
        section.problem(key, format!("cannot be '{name}': {error}"));
    }
}

fn multiparty(root: &Section<'_>, section: &Section<'_>, namespace: &str) -> Multiparty {
    let (org, node) = (section.section("org"), section.section("node"));
    let (old_org, old_node) = (root.section("org"), root.section("node"));
    let either = |new: &Section<'_>, old: &Section<'_>, key: &str| new.text(key).or_else(|| old.text(key));
    let org = Organization {
        name: either(&org, &old_org, "name").unwrap_or_default(),
        key: either(&org, &old_org, "key"),
        description: either(&org, &old_org, "description").unwrap_or_default(),
    };
    let node = Node {
        name: either(&node, &old_node, "name").unwrap_or_default(),
        description: either(&node, &old_node, "description").unwrap_or_default(),
    };
    if !section.flag("enabled", !org.name.is_empty() || org.key.is_some()) {
        return Multiparty {
            enabled: false,
            network_namespace: namespace.to_owned(),
            private_order: PrivateOrder::Author,
            org: Organization::default(),
            node: Node::default(),
            contracts: Vec::new(),
        };
    }
    let shared = section.text("networkNamespace");
    if let Some(name) = &shared {
        check_name(section, "networkNamespace", name);
    }
    let network_namespace = shared.unwrap_or_else(|| namespace.to_owned());
    let contracts: Vec<Contract> = section
        .list("contract")
        .iter()
        .filter_map(|contract| {
            let location = contract.json("location");
            if !location.as_ref().is_some_and(serde_json::Value::is_object) {
                contract.problem("location", "must be the contract's place, such as {address: \"0x…\"}");
                return None;
            }
            Some(Contract { location: location?, first_event: first_event(contract) })
        })
        .collect();
    if contracts.is_empty() && section.list("contract").is_empty() {
        section.problem("contract", "needs the multiparty contract; make one with 'photinus deploy'");
    }
    Multiparty { enabled: true, network_namespace, private_order: private_order(section), org, node, contracts }
}

fn private_order(section: &Section<'_>) -> PrivateOrder {
    match section.text("privateOrder").as_deref() {
        None | Some("author") => PrivateOrder::Author,
        Some("ledger") => PrivateOrder::Ledger,
        Some(other) => {
            section.problem(
                "privateOrder",
                format!("cannot be '{other}': it must be author or ledger, as on every member"),
            );
            PrivateOrder::Author
        }
    }
}

fn first_event(contract: &Section<'_>) -> FirstEvent {
    match contract.text("firstEvent").as_deref() {
        None | Some("oldest") => FirstEvent::Oldest,
        Some("newest" | "latest") => FirstEvent::Newest,
        Some(number) => number.parse().map_or_else(
            |_| {
                contract.problem(
                    "firstEvent",
                    format!("cannot be '{number}': it must be oldest, newest or a block number"),
                );
                FirstEvent::Oldest
            },
            FirstEvent::Block,
        ),
    }
}
