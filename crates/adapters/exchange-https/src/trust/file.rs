//! The file of known peers, so that a restarted node has its peers before it has read the ledger.
//!
//! JSON with a version. Bootstrap peers are not in it: the configuration is where they live and die.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::peer::{Former, Peer, Registration};
use crate::{
    Error,
    certificate::{Bundle, Fingerprint},
};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    peers: BTreeMap<String, PeerImage>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PeerImage {
    /// The owner first.
    registrations: Vec<RegistrationImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former: Vec<FormerImage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationImage {
    network_namespace: String,
    node: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    endpoint: String,
    cert: String,
}

#[derive(Serialize, Deserialize)]
struct FormerImage {
    cert: String,
    /// Unix seconds.
    until: i64,
}

/// The file's content for these peers.
pub(super) fn image(peers: &BTreeMap<String, Peer>) -> serde_json::Result<Vec<u8>> {
    let peers = peers
        .iter()
        .filter(|(_, peer)| !peer.registrations.is_empty())
        .map(|(id, peer)| {
            let registrations = peer
                .registrations
                .iter()
                .map(|r| RegistrationImage {
                    network_namespace: r.network_namespace.clone(),
                    node: r.node.clone(),
                    destination: r.destination.clone(),
                    endpoint: r.endpoint.to_string(),
                    cert: r.bundle.text().to_owned(),
                })
                .collect();
            let former =
                peer.former.iter().map(|f| FormerImage { cert: f.bundle.text().to_owned(), until: f.until }).collect();
            let retired = peer.retired.iter().map(ToString::to_string).collect();
            (id.clone(), PeerImage { registrations, former, retired })
        })
        .collect();
    serde_json::to_vec_pretty(&Document { version: VERSION, peers })
}

/// Writes it durably.
pub(super) fn write(path: &Path, image: &[u8]) -> io::Result<()> {
    crate::file::write(path, image, 0o600)
}

/// Reads it. A file that is not there holds nobody.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Peer>, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(Error::File { path: path.to_owned(), source }),
    };
    parse(&text).map_err(|reason| Error::Peers { path: path.to_owned(), reason })
}

fn parse(text: &[u8]) -> Result<BTreeMap<String, Peer>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    if document.version != VERSION {
        return Err(format!("version {} is not known to this program", document.version));
    }
    let mut peers = BTreeMap::new();
    for (id, image) in document.peers {
        let mut peer = Peer::default();
        for r in image.registrations {
            peer.registrations.push(Registration {
                network_namespace: r.network_namespace,
                node: r.node,
                destination: r.destination,
                endpoint: r.endpoint.parse().map_err(|e| format!("{id}: {e}"))?,
                bundle: Bundle::parse(&r.cert).map_err(|e| format!("{id}: {e}"))?,
            });
        }
        for f in image.former {
            let bundle = Bundle::parse(&f.cert).map_err(|e| format!("{id}: {e}"))?;
            peer.former.push(Former { bundle, until: f.until });
        }
        for fingerprint in image.retired {
            peer.retired.push(fingerprint.parse::<Fingerprint>().map_err(|e| format!("{id}: {e}"))?);
        }
        peers.insert(id, peer);
    }
    Ok(peers)
}
