//! What is known of one peer, and the rules by which that changes.

use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime},
    server::ParsedCertificate,
};

use super::Refused;
use crate::{
    certificate::{Bundle, Certificate, Fingerprint, own::provider},
    endpoint::Endpoint,
    profile::Profile,
};

/// How many fingerprints of replaced certificates are remembered for one peer.
const MAX_RETIRED: usize = 32;
/// How many replaced bundles are still accepted at once; one more ends the time of the oldest.
const MAX_FORMER: usize = 8;
/// How many nodes may share one data exchange.
const MAX_REGISTRATIONS: usize = 256;

/// A node identity that names this peer.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) network_namespace: String,
    pub(crate) node: String,
    pub(crate) destination: Option<String>,
    pub(crate) endpoint: Endpoint,
    pub(crate) bundle: Bundle,
}

/// A bundle that was replaced and is still accepted for a while.
#[derive(Clone, Debug)]
pub(crate) struct Former {
    pub(crate) bundle: Bundle,
    /// Unix seconds.
    pub(crate) until: i64,
}

/// One peer, found by its base id.
///
/// The first registration is the peer's owner: it alone says which certificates the peer has. Further registrations (the
/// same data exchange serving other nodes or namespaces) may repeat its certificates but add none, or else anybody could
/// register a node under a base id that belongs to somebody else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) bootstrap: Vec<(Endpoint, Fingerprint)>,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) former: Vec<Former>,
    pub(crate) retired: Vec<Fingerprint>,
}

impl Peer {
    /// Takes over a registration. Returns whether anything changed.
    pub(crate) fn register(
        &mut self,
        network_namespace: &str,
        node: &str,
        profile: Profile,
        now: i64,
        grace: i64,
    ) -> Result<bool, &'static str> {
        let registration = Registration {
            network_namespace: network_namespace.to_owned(),
            node: node.to_owned(),
            destination: profile.destination,
            endpoint: profile.endpoint,
            bundle: profile.bundle,
        };
        let place = self.registrations.iter().position(|r| r.network_namespace == network_namespace && r.node == node);
        let certificates = registration.bundle.certificates();
        match place {
            None if self.registrations.is_empty() => {
                let known = |c: &Certificate| self.bootstrap.iter().any(|(_, f)| *f == c.fingerprint());
                if !self.bootstrap.is_empty() && !certificates.iter().any(known) {
                    return Err("its certificate is not the one that the configured bootstrap peer of this id has");
                }
                self.registrations.push(registration);
            }
            Some(0) => {
                let owner = &mut self.registrations[0];
                if same(owner, &registration) {
                    return Ok(false);
                }
                if owner.bundle.text() != registration.bundle.text() {
                    self.former.push(Former { bundle: owner.bundle.clone(), until: now.saturating_add(grace) });
                }
                *owner = registration;
                self.forget(now);
            }
            place => {
                let owned = |c: &Certificate| self.pinned(now).any(|known| known.fingerprint() == c.fingerprint());
                if !certificates.iter().all(owned) {
                    return Err("another node has this id, with other certificates");
                }
                match place {
                    Some(at) if same(&self.registrations[at], &registration) => return Ok(false),
                    Some(at) => self.registrations[at] = registration,
                    None if self.registrations.len() == MAX_REGISTRATIONS => {
                        return Err("too many nodes share this id");
                    }
                    None => self.registrations.push(registration),
                }
            }
        }
        Ok(true)
    }

    /// Drops former bundles whose time is over, remembering that their certificates are no longer to be accepted.
    fn forget(&mut self, now: i64) {
        let excess = self.former.len().saturating_sub(MAX_FORMER);
        for oldest in &mut self.former[..excess] {
            oldest.until = now;
        }
        let (kept, over): (Vec<Former>, Vec<Former>) = self.former.drain(..).partition(|f| f.until > now);
        self.former = kept;
        for certificate in over.iter().flat_map(|f| f.bundle.certificates()) {
            if !self.retired.contains(&certificate.fingerprint()) {
                self.retired.push(certificate.fingerprint());
            }
        }
        let excess = self.retired.len().saturating_sub(MAX_RETIRED);
        self.retired.drain(..excess);
    }

    /// Certificates that the ledger vouches for at this time.
    fn pinned(&self, now: i64) -> impl Iterator<Item = &Certificate> {
        let owner = self.registrations.first().into_iter().flat_map(|r| r.bundle.certificates());
        owner.chain(self.former.iter().filter(move |f| f.until > now).flat_map(|f| f.bundle.certificates()))
    }

    /// Whether the operator vouches for this certificate, and the ledger did not replace it since.
    fn bootstrapped(&self, fingerprint: Fingerprint, now: i64) -> bool {
        let replaced = self.retired.contains(&fingerprint)
            || self
                .former
                .iter()
                .filter(|f| f.until <= now)
                .flat_map(|f| f.bundle.certificates())
                .any(|c| c.fingerprint() == fingerprint);
        self.bootstrap.iter().any(|(_, f)| *f == fingerprint) && !replaced
    }

    /// Whether a peer that proves to hold this certificate's key is this peer.
    pub(crate) fn accepts(
        &self,
        leaf: &Certificate,
        intermediates: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<(), Refused> {
        if !leaf.is_valid_at(now) {
            return Err(Refused::Expired);
        }
        if self.bootstrapped(leaf.fingerprint(), now) || self.pinned(now).any(|c| c.fingerprint() == leaf.fingerprint())
        {
            return Ok(());
        }
        let authorities: Vec<_> = self.pinned(now).filter(|c| c.is_authority()).collect();
        if chains(leaf, &authorities, intermediates, now) { Ok(()) } else { Err(Refused::Unknown) }
    }

    /// Where it may be reached, best first.
    pub(crate) fn endpoints(&self) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let registered = self.registrations.iter().map(|r| &r.endpoint);
        for endpoint in registered.chain(self.bootstrap.iter().map(|(endpoint, _)| endpoint)) {
            if !endpoints.contains(endpoint) {
                endpoints.push(endpoint.clone());
            }
        }
        endpoints
    }
}

fn same(a: &Registration, b: &Registration) -> bool {
    a.destination == b.destination && a.endpoint == b.endpoint && a.bundle.text() == b.bundle.text()
}

/// Whether an authority of the peer's own bundle signed the leaf, for both roles where it restricts them.
fn chains(leaf: &Certificate, authorities: &[&Certificate], intermediates: &[CertificateDer<'_>], now: i64) -> bool {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        // An authority that webpki cannot use as an anchor vouches for nobody.
        if authority.is_valid_at(now) && roots.add(authority.der().clone()).is_err() {
            return false;
        }
    }
    let (Ok(parsed), Ok(seconds)) = (ParsedCertificate::try_from(leaf.der()), u64::try_from(now)) else {
        return false;
    };
    if roots.is_empty() {
        return false;
    }
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, intermediates, now, algorithms).is_ok()
}
