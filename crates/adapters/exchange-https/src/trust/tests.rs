//! The rules of trust, with certificates made here and a clock that is a number.

use std::time::Duration;

use photinus_ports::{exchange, peers::PeerId};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::*;
use crate::{certificate::Bundle, profile::Profile};

const NOW: i64 = 1_800_000_000;
const GRACE: i64 = 1_000;

struct Made {
    der: CertificateDer<'static>,
    pem: String,
}

fn params(id: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, id);
    params.not_before = OffsetDateTime::from_unix_timestamp(NOW - 100).unwrap();
    params.not_after = OffsetDateTime::from_unix_timestamp(NOW + 10_000).unwrap();
    params
}

fn certificate(id: &str) -> Made {
    let made = params(id).self_signed(&KeyPair::generate().unwrap()).unwrap();
    Made { der: made.der().clone(), pem: made.pem() }
}

fn authority(id: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = params(id);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed(id: &str, issuer: &CertifiedIssuer<'static, KeyPair>) -> Made {
    let made = params(id).signed_by(&KeyPair::generate().unwrap(), issuer).unwrap();
    Made { der: made.der().clone(), pem: made.pem() }
}

fn fingerprint(made: &Made) -> Fingerprint {
    Certificate::parse(&made.der).unwrap().fingerprint()
}

fn profile(base: &str, port: u16, pem: &str) -> Profile {
    Profile {
        base: base.to_owned(),
        destination: Some("node".to_owned()),
        endpoint: format!("https://localhost:{port}").parse().unwrap(),
        bundle: Bundle::parse(pem).unwrap(),
    }
}

struct World {
    dir: tempfile::TempDir,
    trust: Trust,
}

impl World {
    fn new(bootstrap: &[Bootstrap]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let trust = Self::open(&dir, bootstrap);
        Self { dir, trust }
    }

    fn open(dir: &tempfile::TempDir, bootstrap: &[Bootstrap]) -> Trust {
        let own = fingerprint(&certificate("own"));
        let grace = Duration::from_secs(GRACE.unsigned_abs());
        Trust::open(&dir.path().join("peers.json"), "own", own, bootstrap, grace).unwrap()
    }

    fn restart(mut self, bootstrap: &[Bootstrap]) -> Self {
        self.trust = Self::open(&self.dir, bootstrap);
        self
    }

    fn add(&self, node: &str, profile: Profile, now: i64) -> Result<Added, exchange::Error> {
        self.trust.add("net", node, profile, now)
    }

    fn who(&self, made: &Made, now: i64) -> Result<String, Refused> {
        self.trust.identify(&Presented::new(&made.der, &[]).unwrap(), now).map(|id| id.0)
    }
}

fn added(id: &str) -> Added {
    Added::Peer(PeerId(id.to_owned()))
}

fn named(id: &str, made: &Made) -> Bootstrap {
    Bootstrap {
        endpoint: "https://localhost:1".parse().unwrap(),
        fingerprint: fingerprint(made),
        id: Some(id.to_owned()),
    }
}

fn unnamed(made: &Made) -> Bootstrap {
    Bootstrap { id: None, ..named("x", made) }
}

#[test]
fn a_registered_certificate_proves_its_id_within_its_validity() {
    let world = World::new(&[]);
    let b = certificate("b");
    assert_eq!(world.who(&b, NOW), Err(Refused::Unknown));
    assert_eq!(world.add("n", profile("b", 1, &b.pem), NOW).unwrap(), added("b"));
    assert_eq!(world.add("n", profile("b", 1, &b.pem), NOW).unwrap(), Added::Nothing);
    assert_eq!(world.who(&b, NOW).as_deref(), Ok("b"));
    assert_eq!(world.who(&b, NOW + 10_001), Err(Refused::Expired));
    assert_eq!(world.who(&b, NOW - 101), Err(Refused::Expired));
    assert_eq!(world.who(&certificate("b"), NOW), Err(Refused::Unknown), "the same id, another key");
    assert_eq!(world.who(&certificate("own"), NOW), Err(Refused::Own));
}

#[test]
fn a_peer_is_not_taken_for_another() {
    let world = World::new(&[]);
    let (b, c) = (certificate("b"), certificate("c"));
    world.add("n1", profile("b", 1, &b.pem), NOW).unwrap();
    world.add("n2", profile("c", 2, &c.pem), NOW).unwrap();
    let verify = |target: &str, made: &Made| {
        let presented = Presented::new(&made.der, &[]).unwrap();
        world.trust.verify(&Target::Peer(PeerId(target.to_owned())), &presented, NOW)
    };
    assert_eq!(verify("b", &b), Ok(()));
    assert_eq!(verify("b", &c), Err(Refused::OtherId));
}

#[test]
fn an_authority_vouches_for_the_id_that_published_it_and_no_other() {
    let world = World::new(&[]);
    let (authority_b, c) = (authority("b"), certificate("c"));
    world.add("n1", profile("b", 1, &authority_b.pem()), NOW).unwrap();
    world.add("n2", profile("c", 2, &c.pem), NOW).unwrap();
    assert_eq!(world.who(&signed("b", &authority_b), NOW).as_deref(), Ok("b"));
    assert_eq!(world.who(&signed("c", &authority_b), NOW), Err(Refused::Unknown), "signed by another member");
    assert_eq!(world.who(&signed("d", &authority_b), NOW), Err(Refused::Unknown));
    assert_eq!(world.who(&signed("b", &authority("b")), NOW), Err(Refused::Unknown), "an authority of that name");
}

#[test]
fn a_leaf_vouches_for_nobody() {
    let world = World::new(&[]);
    let key = KeyPair::generate().unwrap();
    let leaf = CertifiedIssuer::self_signed(params("b"), key).unwrap();
    world.add("n", profile("b", 1, &leaf.pem()), NOW).unwrap();
    assert_eq!(world.who(&signed("b", &leaf), NOW), Err(Refused::Unknown));
}

#[test]
fn a_replaced_certificate_is_accepted_for_a_while_and_then_never_again() {
    let first = certificate("b");
    let world = World::new(&[]);
    world.add("n", profile("b", 1, &first.pem), NOW).unwrap();
    let second = certificate("b");
    assert_eq!(world.add("n", profile("b", 2, &second.pem), NOW).unwrap(), added("b"));
    let world = world.restart(&[]);
    assert_eq!(world.who(&first, NOW + GRACE - 1).as_deref(), Ok("b"));
    assert_eq!(world.who(&first, NOW + GRACE), Err(Refused::Unknown));
    assert_eq!(world.who(&second, NOW + GRACE).as_deref(), Ok("b"));
    let target = Target::Peer(PeerId("b".to_owned()));
    assert_eq!(world.trust.endpoints(&target), ["https://localhost:2".parse().unwrap()]);

    // Nor does a configuration from before the change bring it back.
    let world = world.restart(&[named("b", &first)]);
    assert_eq!(world.who(&first, NOW + GRACE), Err(Refused::Unknown));
    let third = certificate("b");
    world.add("n", profile("b", 2, &third.pem), NOW + GRACE).unwrap();
    let world = world.restart(&[named("b", &first)]);
    assert_eq!(world.who(&first, NOW + GRACE), Err(Refused::Unknown));
}

#[test]
fn another_node_cannot_take_an_id_over() {
    let world = World::new(&[]);
    let (b, evil) = (certificate("b"), certificate("b"));
    world.add("n", profile("b", 1, &b.pem), NOW).unwrap();
    let both = format!("{}{}", b.pem, evil.pem);
    for pem in [&evil.pem, &both] {
        let refused = world.add("evil", profile("b", 9, pem), NOW);
        assert!(matches!(refused, Err(exchange::Error::InvalidProfile(_))), "{refused:?}");
    }
    // It may repeat what is public, and still adds nothing later.
    world.add("evil", profile("b", 9, &b.pem), NOW).unwrap();
    assert!(world.add("evil", profile("b", 9, &both), NOW).is_err());
    let world = world.restart(&[]);
    assert!(world.add("evil", profile("b", 9, &evil.pem), NOW).is_err());
    assert_eq!(world.who(&evil, NOW), Err(Refused::Unknown));
    assert_eq!(world.who(&b, NOW).as_deref(), Ok("b"));
}

#[test]
fn a_bootstrap_peer_that_registers_is_one_peer() {
    for make in [named, |_: &str, made: &Made| unnamed(made)] {
        let b = certificate("b");
        let world = World::new(&[make("b", &b)]);
        assert_eq!(world.who(&b, NOW).as_deref(), Ok("b"), "before it is registered");
        world.add("n", profile("b", 7, &b.pem), NOW).unwrap();
        assert_eq!(world.trust.targets(), [Target::Peer(PeerId("b".to_owned()))]);
        assert_eq!(world.trust.endpoints(&world.trust.targets()[0]).len(), 2);
    }
}

#[test]
fn an_unnamed_bootstrap_peer_gets_its_name_from_its_certificate() {
    let b = certificate("b");
    let world = World::new(&[unnamed(&b)]);
    assert!(world.trust.peers().is_empty());
    assert_eq!(world.trust.targets(), [Target::Unnamed(fingerprint(&b))]);
    let other = Presented::new(&certificate("b").der, &[]).unwrap();
    assert_eq!(world.trust.verify(&Target::Unnamed(fingerprint(&b)), &other, NOW), Err(Refused::Unknown));
    assert!(world.trust.name(fingerprint(&b), &PeerId("b".to_owned())));
    assert!(!world.trust.name(fingerprint(&b), &PeerId("b".to_owned())));
    assert_eq!(world.trust.targets(), [Target::Peer(PeerId("b".to_owned()))]);
    assert_eq!(world.who(&b, NOW).as_deref(), Ok("b"));
    assert_eq!(world.who(&b, NOW + 10_001), Err(Refused::Expired));
}

#[test]
fn a_claim_cannot_take_the_id_of_a_bootstrap_peer() {
    let (b, evil) = (certificate("b"), certificate("b"));
    let world = World::new(&[named("b", &b)]);
    assert!(world.add("evil", profile("b", 9, &evil.pem), NOW).is_err());
    world.add("n", profile("b", 1, &b.pem), NOW).unwrap();
    assert_eq!(world.who(&evil, NOW), Err(Refused::Unknown));
}

#[test]
fn an_operator_can_name_the_newer_certificate_of_a_registered_peer() {
    let (old, new) = (certificate("b"), certificate("b"));
    let world = World::new(&[]);
    world.add("n", profile("b", 1, &old.pem), NOW).unwrap();
    let world = world.restart(&[named("b", &new)]);
    assert_eq!(world.who(&new, NOW).as_deref(), Ok("b"));
    world.add("n", profile("b", 1, &new.pem), NOW).unwrap();
    assert_eq!(world.trust.peers().len(), 1);
}

#[test]
fn the_own_node_is_no_peer() {
    let world = World::new(&[]);
    let own = certificate("own");
    assert_eq!(world.add("n", profile("own", 1, &own.pem), NOW).unwrap(), Added::Nothing);
    assert!(world.trust.peers().is_empty());
}

#[test]
fn contradictory_bootstrap_entries_and_damaged_files_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("peers.json");
    let own = certificate("own");
    let open = |bootstrap: &[Bootstrap]| {
        Trust::open(&path, "own", fingerprint(&own), bootstrap, Duration::ZERO).map(|trust| trust.targets().len())
    };
    assert_eq!(open(&[named("own", &own)]).unwrap(), 0, "a list for all members names this one, too");
    assert!(matches!(open(&[named("own", &certificate("own"))]), Err(Error::Bootstrap { .. })));
    assert!(matches!(open(&[named("../x", &certificate("b"))]), Err(Error::Bootstrap { .. })));
    for damage in ["", "{", r#"{"version":2,"peers":{}}"#] {
        std::fs::write(&path, damage).unwrap();
        assert!(matches!(open(&[]), Err(Error::Peers { .. })), "{damage}");
    }
}
