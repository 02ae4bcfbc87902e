//! The nodes of the network, as the data exchange has to know them.
//!
//! The process trusts every certificate that it is told, whoever's node it comes with, writes it to a file that is named like
//! the peer, and keeps a peer's first address for ever. So what it is told is checked here: ids are of a strict alphabet; a
//! second node of a peer must come with the certificate of the first, of which the process remembers the name when this node
//! starts anew; and a peer whose address changes is removed and told again.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use photinus_model::name;
use photinus_ports::exchange;
use serde_json::{Map, Value};

use crate::{
    api::{self, Api},
    wire::Listed,
};

/// The longest part of an id.
const MAX_PART: usize = 64;
/// The longest certificate bundle.
const MAX_CERTIFICATES: usize = 64 * 1024;

/// A node's profile, fit to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// `base/destination`, or `base` of nodes of old.
    pub(crate) id: String,
    endpoint: String,
    certificate: Option<String>,
    /// What is told.
    profile: Map<String, Value>,
}

/// Base id and node name.
pub(crate) fn split(id: &str) -> (&str, Option<&str>) {
    id.split_once('/').map_or((id, None), |(base, name)| (base, Some(name)))
}

/// Whether a text can be a base id: it becomes part of a path, and of the name of a file.
pub(crate) fn is_base(base: &str) -> bool {
    let fit = |b: u8| b.is_ascii_alphanumeric() || b"_+.-".contains(&b);
    (1..=MAX_PART).contains(&base.len()) && base.bytes().all(fit) && !base.starts_with('.') && !base.contains("..")
}

impl Node {
    /// Reads a profile that somebody published.
    pub(crate) fn parse(profile: &Map<String, Value>) -> Result<Self, exchange::Error> {
        let wrong = |reason: &str| exchange::Error::InvalidProfile(reason.to_owned());
        let text = |key: &str| profile.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = text("id").ok_or_else(|| wrong("'id' is missing or not a text"))?;
        let (base, destination) = split(id);
        if !is_base(base) || destination.is_some_and(|name| !name::is_valid(name)) {
            return Err(wrong("'id' is not of the form base or base/destination"));
        }
        let endpoint = text("endpoint").ok_or_else(|| wrong("'endpoint' is missing or not a text"))?;
        let endpoint = endpoint.trim_end_matches('/');
        let is_url = url::Url::parse(endpoint).is_ok_and(|url| url.scheme() == "https" && url.has_host());
        if !is_url || endpoint.len() > 1024 {
            return Err(wrong("'endpoint' is not a URL of the form https://host:port"));
        }
        let certificate = match profile.get("cert") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.is_empty() => None,
            // The process joins bundles as they are.
            Some(Value::String(text)) if text.len() <= MAX_CERTIFICATES => Some(format!("{}\n", text.trim_end())),
            Some(_) => return Err(wrong("'cert' is not a text of at most 64 KiB")),
        };
        let mut told = profile.clone();
        told.insert("endpoint".to_owned(), endpoint.into());
        if let Some(certificate) = &certificate {
            told.insert("cert".to_owned(), certificate.clone().into());
        }
        Ok(Self { id: id.to_owned(), endpoint: endpoint.to_owned(), certificate, profile: told })
    }

    pub(crate) fn base(&self) -> &str {
        split(&self.id).0
    }
}

/// What is known, and told one at a time.
#[derive(Default)]
pub(crate) struct Directory {
    nodes: Mutex<BTreeMap<String, Node>>,
    telling: tokio::sync::Mutex<()>,
}

/// Why a node is not told.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Not with this profile.
    Profile(String),
    /// Not now.
    Later(String),
}

impl From<api::Error> for Refused {
    fn from(error: api::Error) -> Self {
        Self::Later(error.to_string())
    }
}

impl Directory {
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.nodes.lock().contains_key(id)
    }

    pub(crate) fn profiles(&self) -> Vec<Map<String, Value>> {
        self.nodes.lock().values().map(|node| node.profile.clone()).collect()
    }

    /// Tells the process of a node.
    pub(crate) async fn add(&self, api: &Api, own: &str, node: Node) -> Result<(), Refused> {
        let _one = self.telling.lock().await;
        if node.base() != own {
            let listed = api.peers().await?;
            self.check(&node, listed.iter().find(|peer| peer.id == node.base()))?;
        }
        let former = self.nodes.lock().insert(node.id.clone(), node.clone());
        if let Err(error) = self.tell(api, own, node.base()).await {
            // What is not known there is not known here; the engine tries again.
            if former.is_none() {
                self.nodes.lock().remove(&node.id);
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Tells a process that may have forgotten them of all nodes.
    pub(crate) async fn tell_all(&self, api: &Api, own: &str) -> Result<(), api::Error> {
        let _one = self.telling.lock().await;
        let bases: std::collections::BTreeSet<String> =
            self.nodes.lock().values().map(|node| node.base().to_owned()).collect();
        for base in bases {
            self.tell(api, own, &base).await?;
        }
        Ok(())
    }

    /// Whether a node may be told of.
    fn check(&self, node: &Node, listed: Option<&Listed>) -> Result<(), Refused> {
        let nodes = self.nodes.lock();
        let others = || nodes.values().filter(|known| known.base() == node.base() && known.id != node.id);
        if let Some(other) = others().find(|other| other.certificate != node.certificate) {
            if nodes.contains_key(&node.id) {
                return Ok(()); // A certificate that is replaced, by one node after the other.
            }
            let reason = format!("the certificate is not that of '{}', which has the same base id", other.id);
            return Err(Refused::Profile(reason));
        }
        let established = |name: &String| split(&node.id).1 == Some(name.as_str());
        match listed {
            Some(peer) if !peer.destinations.is_empty() && !peer.destinations.iter().any(established) => {
                if nodes.contains_key(&node.id) || others().next().is_some() {
                    return Ok(());
                }
                let known = peer.destinations.join(", ");
                let reason = format!(
                    "the data exchange knows '{}' by the node {known} and its certificate, which this node has to hear of first",
                    peer.id
                );
                Err(Refused::Later(reason))
            }
            _ => Ok(()),
        }
    }

    /// Tells the process of every known node behind a base id, anew where its address is another.
    async fn tell(&self, api: &Api, own: &str, base: &str) -> Result<(), api::Error> {
        let nodes: Vec<Node> = self.nodes.lock().values().filter(|node| node.base() == base).cloned().collect();
        if base != own {
            let listed = api.peers().await?.into_iter().find(|peer| peer.id == base);
            let moved = |peer: &Listed| nodes.iter().all(|node| node.endpoint != peer.endpoint.trim_end_matches('/'));
            if listed.as_ref().is_some_and(moved) {
                tracing::info!(peer = base, "a peer has another address: the data exchange is told anew");
                api.delete_peer(base).await?;
            }
        }
        for node in nodes {
            api.put_peer(&node.id, &node.profile).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(id: &str, certificate: &str) -> Node {
        let profile = json!({"id": id, "endpoint": "https://dx:3001/", "cert": certificate, "more": 1});
        Node::parse(profile.as_object().unwrap()).unwrap()
    }

    fn listed(destinations: &[&str]) -> Listed {
        Listed {
            id: "org_b".into(),
            endpoint: "https://dx:3001".into(),
            destinations: destinations.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn profiles_are_made_fit_to_be_told() {
        let told = node("org_b/node", "pem").profile;
        assert_eq!(
            Value::Object(told),
            json!({"id": "org_b/node", "endpoint": "https://dx:3001", "cert": "pem\n", "more": 1})
        );
        for (key, value) in [
            ("id", json!("")),
            ("id", json!("../x")),
            ("id", json!("org_b/../x")),
            ("id", json!("a/b/c")),
            ("id", json!("a%2f/b")),
            ("id", json!("..")),
            ("endpoint", json!("http://dx:3001")),
            ("endpoint", json!("nonsense")),
            ("cert", json!(7)),
        ] {
            let mut profile = json!({"id": "org_b/node", "endpoint": "https://dx:3001", "cert": "pem"});
            profile[key] = value.clone();
            let refused = Node::parse(profile.as_object().unwrap());
            assert!(matches!(refused, Err(exchange::Error::InvalidProfile(_))), "{key}: {value}");
        }
    }

    #[test]
    fn a_second_node_comes_with_the_certificate_of_the_first() {
        let directory = Directory::default();
        let known = node("org_b/one", "good");
        assert!(directory.check(&known, None).is_ok());
        directory.nodes.lock().insert(known.id.clone(), known);
        assert!(matches!(directory.check(&node("org_b/evil", "bad"), None), Err(Refused::Profile(_))));
        assert!(directory.check(&node("org_b/two", "good"), None).is_ok());
        assert!(directory.check(&node("org_b/one", "renewed"), None).is_ok());
        assert!(directory.check(&node("org_c/evil", "bad"), None).is_ok());
    }

    #[test]
    fn after_a_restart_the_nodes_that_the_process_knows_come_first() {
        let directory = Directory::default();
        let evil = node("org_b/evil", "bad");
        assert!(matches!(directory.check(&evil, Some(&listed(&["one"]))), Err(Refused::Later(_))));
        assert!(directory.check(&evil, Some(&listed(&[]))).is_ok(), "one of the configuration, without nodes");
        let known = node("org_b/one", "good");
        assert!(directory.check(&known, Some(&listed(&["one"]))).is_ok());
        directory.nodes.lock().insert(known.id.clone(), known);
        assert!(matches!(directory.check(&evil, Some(&listed(&["one"]))), Err(Refused::Profile(_))));
        assert!(directory.check(&node("org_b/two", "good"), Some(&listed(&["one"]))).is_ok());
    }
}
