//! Whom this node trusts: bootstrap peers of the configuration, and nodes that the ledger registered.
//!
//! Trust is per peer: a certificate proves one id, never membership of a pool. The rules are in [`peer`], what survives a
//! restart in [`file`]. Not here: sockets and handshakes.

mod file;
mod peer;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use parking_lot::RwLock;
use photinus_ports::{exchange, peers::PeerId};
use rustls::pki_types::CertificateDer;

use crate::{
    Error,
    certificate::{Certificate, Fingerprint, subject},
    endpoint::Endpoint,
    options::Bootstrap,
    profile::Profile,
};
use peer::Peer;

/// Why a certificate is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("certificate does not parse")]
    Malformed,
    #[error("certificate carries no usable id")]
    NoId,
    #[error("certificate carries another id than the peer that was called")]
    OtherId,
    #[error("certificate carries this node's own id")]
    Own,
    #[error("certificate is not valid at this time")]
    Expired,
    #[error("certificate is not one of a known peer")]
    Unknown,
}

/// Whom a connection is meant to reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Target {
    /// A peer whose id is known.
    Peer(PeerId),
    /// A bootstrap peer of which only the certificate's fingerprint is known.
    Unnamed(Fingerprint),
}

/// The chain that the other end of a connection showed, its own certificate first.
#[derive(Clone, Debug)]
pub(crate) struct Presented {
    leaf: Certificate,
    intermediates: Vec<CertificateDer<'static>>,
}

impl Presented {
    pub(crate) fn new(leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Result<Self, Refused> {
        let leaf = Certificate::parse(leaf).map_err(|_| Refused::Malformed)?;
        Ok(Self { leaf, intermediates: intermediates.iter().map(|c| c.clone().into_owned()).collect() })
    }

    pub(crate) const fn leaf(&self) -> &Certificate {
        &self.leaf
    }
}

/// What a registration changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// Nothing: it was known, or it is this node itself.
    Nothing,
    /// A peer, or something about it.
    Peer(PeerId),
}

#[derive(Default)]
struct State {
    peers: BTreeMap<String, Peer>,
    unnamed: Vec<(Endpoint, Fingerprint)>,
}

/// Everything that is known about peers.
pub(crate) struct Trust {
    own: String,
    grace: i64,
    state: RwLock<State>,
    /// Whether the file is behind the state. Its lock keeps writes in the order of the changes.
    behind: parking_lot::Mutex<bool>,
    path: std::path::PathBuf,
}

impl Trust {
    /// Reads what was learned earlier, and adds the bootstrap peers.
    pub(crate) fn open(
        path: &Path,
        own: &str,
        own_fingerprint: Fingerprint,
        bootstrap: &[Bootstrap],
        grace: std::time::Duration,
    ) -> Result<Self, Error> {
        let mut state = State { peers: file::read(path)?, unnamed: Vec::new() };
        // A list that is the same for every member names this node, too.
        for entry in bootstrap.iter().filter(|entry| entry.fingerprint != own_fingerprint) {
            let wrong =
                |reason: &str| Error::Bootstrap { endpoint: entry.endpoint.to_string(), reason: reason.to_owned() };
            let place = (entry.endpoint.clone(), entry.fingerprint);
            match &entry.id {
                None => state.unnamed.push(place),
                Some(id) if id == own => return Err(wrong("it has this node's own id, but another certificate")),
                Some(id) if !subject::is_peer_id(id) => return Err(wrong("its id is one that no node can have")),
                Some(id) => state.peers.entry(id.clone()).or_default().bootstrap.push(place),
            }
        }
        Ok(Self {
            own: own.to_owned(),
            grace: i64::try_from(grace.as_secs()).unwrap_or(i64::MAX),
            state: RwLock::new(state),
            behind: parking_lot::Mutex::new(false),
            path: path.to_owned(),
        })
    }

    /// Everybody who should be reached.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let state = self.state.read();
        let named = state.peers.keys().map(|id| Target::Peer(PeerId(id.clone())));
        named.chain(state.unnamed.iter().map(|(_, fingerprint)| Target::Unnamed(*fingerprint))).collect()
    }

    /// Peers whose id is known.
    pub(crate) fn peers(&self) -> Vec<PeerId> {
        self.state.read().peers.keys().cloned().map(PeerId).collect()
    }

    /// Whether the ledger registered a node of this name behind a base id.
    pub(crate) fn has_node(&self, base: &str, name: Option<&str>) -> bool {
        let state = self.state.read();
        let registered = |peer: &Peer| peer.registrations.iter().any(|r| r.destination.as_deref() == name);
        state.peers.get(base).is_some_and(registered)
    }

    /// Where a target may be reached, best first. Empty once an unnamed one has its name.
    pub(crate) fn endpoints(&self, target: &Target) -> Vec<Endpoint> {
        let state = self.state.read();
        match target {
            Target::Peer(id) => state.peers.get(&id.0).map(Peer::endpoints).unwrap_or_default(),
            Target::Unnamed(fingerprint) => {
                state.unnamed.iter().filter(|(_, f)| f == fingerprint).map(|(e, _)| e.clone()).collect()
            }
        }
    }

    /// Trusts a registered node. Blocks on the disk: what is answered survives a restart.
    pub(crate) fn add(
        &self,
        network_namespace: &str,
        node: &str,
        profile: Profile,
        now: i64,
    ) -> Result<Added, exchange::Error> {
        let base = profile.base.clone();
        if base == self.own {
            return Ok(Added::Nothing);
        }
        let mut behind = self.behind.lock();
        let image = {
            let mut state = self.state.write();
            // An unnamed bootstrap peer whose certificate this is gets its name now, so that it stays one peer.
            let held: Vec<Fingerprint> = profile
                .bundle
                .certificates()
                .iter()
                .filter(|c| c.id() == Ok(base.as_str()))
                .map(Certificate::fingerprint)
                .collect();
            let mut peer = state.peers.get(&base).cloned().unwrap_or_default();
            let (named, unnamed): (Vec<_>, Vec<_>) = state.unnamed.iter().cloned().partition(|(_, f)| held.contains(f));
            peer.bootstrap.extend(named);
            let changed = peer
                .register(network_namespace, node, profile, now, self.grace)
                .map_err(|reason| exchange::Error::InvalidProfile(format!("node '{node}' ({base}): {reason}")))?;
            state.unnamed = unnamed;
            state.peers.insert(base.clone(), peer);
            if !changed && !*behind {
                return Ok(Added::Nothing);
            }
            file::image(&state.peers)
        };
        *behind = true;
        let failed = |e: std::io::Error| exchange::Error::Failed(format!("{}: {e}", self.path.display()));
        let image = image.map_err(|e| failed(e.into()))?;
        file::write(&self.path, &image).map_err(failed)?;
        *behind = false;
        Ok(Added::Peer(PeerId(base)))
    }

    /// Who presents this certificate to the listener, if it is somebody who is trusted.
    ///
    /// `now` is in Unix seconds, here as everywhere in this module.
    pub(crate) fn identify(&self, presented: &Presented, now: i64) -> Result<PeerId, Refused> {
        let id = presented.leaf.id().map_err(|_| Refused::NoId)?;
        self.check(id, presented, now)?;
        Ok(PeerId(id.to_owned()))
    }

    /// Whether this certificate is that of the target.
    pub(crate) fn verify(&self, target: &Target, presented: &Presented, now: i64) -> Result<(), Refused> {
        let id = presented.leaf.id().map_err(|_| Refused::NoId)?;
        match target {
            Target::Peer(expected) if expected.0 != id => return Err(Refused::OtherId),
            Target::Unnamed(expected) if *expected != presented.leaf.fingerprint() => return Err(Refused::Unknown),
            _ => {}
        }
        self.check(id, presented, now)
    }

    fn check(&self, id: &str, presented: &Presented, now: i64) -> Result<(), Refused> {
        if id == self.own {
            return Err(Refused::Own);
        }
        let Presented { leaf, intermediates } = presented;
        let state = self.state.read();
        if state.unnamed.iter().any(|(_, fingerprint)| *fingerprint == leaf.fingerprint()) {
            return if leaf.is_valid_at(now) { Ok(()) } else { Err(Refused::Expired) };
        }
        state.peers.get(id).ok_or(Refused::Unknown)?.accepts(leaf, intermediates, now)
    }

    /// Gives unnamed bootstrap peers with this certificate their id, after a handshake proved it. Returns whether there were any.
    pub(crate) fn name(&self, fingerprint: Fingerprint, id: &PeerId) -> bool {
        let mut state = self.state.write();
        let (named, unnamed): (Vec<_>, Vec<_>) = state.unnamed.drain(..).partition(|(_, f)| *f == fingerprint);
        state.unnamed = unnamed;
        if named.is_empty() {
            return false;
        }
        state.peers.entry(id.0.clone()).or_default().bootstrap.extend(named);
        true
    }
}
