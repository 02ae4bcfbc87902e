//! Who may speak: claims, verifications, updates, and the keys that they register.

use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Code, Effect, EventKind};
use photinus_sequencing::facts::content::Kind;
use photinus_sequencing::facts::definition::{Base, Claim, Definition, IdentityKind};
use photinus_sequencing::facts::{Fact, Order};

use crate::member::Member;
use crate::network::{Network, base, child, context, did_topic, key, org, org_did, stored, uuid};

fn node(name: &str, id: u128, parent: u128) -> Base {
    base(IdentityKind::Node, name, id, Some(parent))
}

/// The DIDs of all identities that exist, in the order in which they were accepted.
fn identities(member: &Member) -> Vec<String> {
    let identity = |effect: &Effect| match effect {
        Effect::Identity(identity) => Some(identity.base.did.to_string()),
        _ => None,
    };
    member.effects().filter_map(identity).collect()
}

/// The last node that each peer id was given to.
fn peer_holder(member: &Member, id: &str) -> Option<String> {
    let holder = |effect: &Effect| match effect {
        Effect::Peer { peer, node } if peer == id => Some(node.to_string()),
        _ => None,
    };
    member.effects().filter_map(holder).last()
}

#[test]
fn an_organisation_and_its_node_register() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let claim = net.claim(&org("a", 1), None);
    member.feed(&net.send(&org_did("a"), &key("a"), &claim));
    assert_eq!(member.event_kinds(&claim), [EventKind::IdentityConfirmed, EventKind::MessageConfirmed]);
    let claim = net.claim(&node("n", 2, 1), Some("peer"));
    member.feed(&net.send(&org_did("a"), &key("a"), &claim));
    assert_eq!(identities(&member), ["did:firefly:org/a", "did:firefly:node/n"]);
    assert_eq!(peer_holder(&member, "peer").as_deref(), Some("did:firefly:node/n"));
}

#[test]
fn an_organisation_may_claim_under_its_id() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let claim = net.claim(&org("a", 1), None);
    member.feed(&net.send(&format!("did:firefly:org/{}", uuid(1)).into(), &key("a"), &claim));
    let message = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.assert_confirmed(&message);
}

#[test]
fn nobody_claims_for_another() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let claim = net.claim(&org("a", 1), None);
    member.feed(&net.send(&org_did("b"), &key("b"), &claim));
    member.assert_rejected(&claim, Code::ClaimAuthor);
    member.feed(&net.register("b", 2));
    let claim = net.claim(&node("n", 3, 99), None);
    member.feed(&net.send(&org_did("b"), &key("b"), &claim));
    member.assert_rejected(&claim, Code::ClaimAuthor);
}

#[test]
fn a_node_waits_for_its_owner() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let claim = net.claim(&node("n", 2, 1), Some("peer"));
    member.feed(&net.send(&org_did("a"), &key("n"), &claim));
    member.assert_waits(&claim, &Reason::Owner(org_did("a")));
    member.feed(&net.register("a", 1));
    member.assert_confirmed(&claim);
    assert_eq!(identities(&member).len(), 2);
}

#[test]
fn a_key_that_has_an_identity_claims_no_other() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let claim = net.claim(&org("b", 2), None);
    member.feed(&net.send(&org_did("b"), &key("a"), &claim));
    member.assert_rejected(&claim, Code::Author);
}

#[test]
fn a_child_exists_when_its_parent_says_so() {
    for claim_first in [true, false] {
        let (mut net, mut member) = (Network::new(), Member::default());
        member.feed(&net.register("a", 1));
        let identity = child("c", 3, 1);
        let claim = net.claim(&identity, None);
        let verification = net.verification(&claim, &identity);
        let claimed = net.send(&org_did("c"), &key("c"), &claim);
        let verified = net.send(&org_did("a"), &key("a"), &verification);
        if claim_first {
            member.feed(&claimed);
            assert_eq!(member.event_kinds(&claim), [EventKind::MessageConfirmed]);
            assert_eq!(identities(&member).len(), 1);
            member.feed(&verified);
            assert_eq!(member.event_kinds(&verification)[0], EventKind::IdentityConfirmed);
        } else {
            // The positions are as they were made; both orders of the ledger are honest.
            let verified = net.send(&org_did("a"), &key("a"), &verification);
            member.feed(&verified);
            assert_eq!(member.event_kinds(&verification), [EventKind::MessageConfirmed]);
            member.feed(&net.send(&org_did("c"), &key("c"), &claim));
            assert_eq!(member.event_kinds(&claim)[0], EventKind::IdentityConfirmed);
        }
        assert_eq!(identities(&member), ["did:firefly:org/a", "did:firefly:org/c"]);
        let message = net.broadcast(&["t"]);
        member.feed(&net.send(&org_did("c"), &key("c"), &message));
        member.assert_confirmed(&message);
    }
}

#[test]
fn a_child_waits_for_its_parent() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let claim = net.claim(&child("c", 3, 1), None);
    member.feed(&net.send(&org_did("c"), &key("c"), &claim));
    member.assert_waits(&claim, &Reason::Parent(uuid(1)));
    // An identity of a type that can be no parent does not end the wait.
    member.feed(&net.register("z", 9));
    let wrong = net.claim(&node("n", 1, 9), None);
    member.feed(&net.send(&org_did("z"), &key("z"), &wrong));
    member.assert_waits(&claim, &Reason::Parent(uuid(1)));
    member.feed(&net.register("a", 1));
    member.assert_confirmed(&claim);
}

/// 17
#[test]
fn a_claim_on_a_wrong_topic_takes_nothing() {
    for reverse in [false, true] {
        let (mut net, mut member) = (Network::new(), Member::default());
        let definition = Definition::Claim(Claim { identity: org("a", 1), peer: None });
        let wrong = net.definition("elsewhere", definition);
        let right = net.claim(&org("a", 2), None);
        let mut wrong_facts = net.send(&org_did("a"), &key("thief"), &wrong);
        let mut right_facts = net.send(&org_did("a"), &key("a"), &right);
        if reverse {
            wrong_facts.reverse();
            right_facts.reverse();
            member.feed([&wrong_facts[0], &right_facts[0], &right_facts[1], &wrong_facts[1]]);
        } else {
            member.feed(wrong_facts.iter().chain(&right_facts));
        }
        member.assert_rejected(&wrong, Code::Topic);
        member.assert_confirmed(&right);
        // Others believe that the thief is registered, and go on. So do we.
        let message = net.broadcast(&["t"]);
        member.feed(&net.send(&org_did("a"), &key("thief"), &message));
        member.assert_rejected(&message, Code::RefusedKey);
    }
}

/// 18
#[test]
fn of_two_claims_with_one_key_the_lower_one_wins() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let (first, second) = (net.claim(&org("a", 1), None), net.claim(&org("b", 2), None));
    let [first_content, first_pin] = net.send(&org_did("a"), &key("k"), &first);
    let [second_content, second_pin] = net.send(&org_did("b"), &key("k"), &second);
    member.feed([&first_pin, &second_pin, &second_content]);
    member.assert_waits(&second, &Reason::SignerHistory(key("k")));
    member.take(&first_content);
    member.assert_confirmed(&first);
    member.assert_rejected(&second, Code::Author);
}

/// 18, with one id for two identities
#[test]
fn two_identities_may_share_an_id() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    member.feed(&net.register("b", 1));
    let (of_a, of_b) = (net.claim(&node("na", 10, 1), None), net.claim(&node("nb", 11, 1), None));
    member.feed(&net.send(&org_did("b"), &key("b"), &of_b));
    member.feed(&net.send(&org_did("a"), &key("a"), &of_a));
    assert_eq!(identities(&member).len(), 4);
    let update = net.update(&node("nb", 11, 1));
    member.feed(&net.send(&org_did("a"), &key("a"), &update));
    member.assert_rejected(&update, Code::DefinitionAuthor);
}

/// 19
#[test]
fn a_verification_by_another_than_the_parent_is_rejected() {
    let (mut net, mut member) = (Network::new(), Member::default());
    for (name, id) in [("y", 1), ("z", 2)] {
        member.feed(&net.register(name, id));
    }
    let identity = child("c", 3, 1);
    let claim = net.claim(&identity, None);
    member.feed(&net.send(&org_did("c"), &key("c"), &claim));
    let adopted = net.verification(&claim, &child("c", 3, 2));
    member.feed(&net.send(&org_did("z"), &key("z"), &adopted));
    member.assert_rejected(&adopted, Code::Base);
    let between = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("c"), &key("c"), &between));
    member.assert_rejected(&between, Code::RefusedKey);
    let foreign = net.verification(&claim, &identity);
    member.feed(&net.send(&org_did("z"), &key("z"), &foreign));
    member.assert_rejected(&foreign, Code::DefinitionAuthor);
    let mut other = claim.clone();
    other.key.hash = photinus_model::Hash::of("other");
    let wrong_hash = net.verification(&other, &identity);
    member.feed(&net.send(&org_did("y"), &key("y"), &wrong_hash));
    member.assert_rejected(&wrong_hash, Code::ClaimHash);
    let verification = net.verification(&claim, &identity);
    member.feed(&net.send(&org_did("y"), &key("y"), &verification));
    member.assert_confirmed(&verification);
    let after = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("c"), &key("c"), &after));
    member.assert_confirmed(&after);
    assert_eq!(identities(&member).len(), 3);
}

#[test]
fn a_verification_on_another_topic_is_rejected() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let identity = child("c", 3, 1);
    let claim = net.claim(&identity, None);
    let mut verification = net.verification(&claim, &identity);
    verification.topics = vec!["t".to_owned()];
    member.feed(&net.send(&org_did("a"), &key("a"), &verification));
    member.assert_rejected(&verification, Code::Topic);
}

#[test]
fn a_key_with_a_claim_that_may_be_verified_waits_for_the_topic_of_that_claim() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let identity = child("c", 3, 1);
    let claim = net.claim(&identity, None);
    member.feed(&net.send(&org_did("c"), &key("c"), &claim));
    let verification = net.verification(&claim, &identity);
    let [content, pin] = net.send(&org_did("a"), &key("a"), &verification);
    member.take(&pin);
    let (other, message) = (net.claim(&org("d", 4), None), net.broadcast(&["t"]));
    member.feed(&net.send(&org_did("d"), &key("c"), &other));
    member.feed(&net.send(&org_did("c"), &key("c"), &message));
    let Fact::Pinned(event) = &pin else { unreachable!() };
    let topic = context(&did_topic(&org_did("c")));
    assert_eq!(member.closed(&topic), Some((event.place(0), Reason::Content(event.batch))));
    assert!(matches!(
        member.closed(&context(&did_topic(&org_did("d")))),
        Some((_, Reason::Below(found, _))) if found == topic
    ));
    member.take(&content);
    member.assert_confirmed(&verification);
    member.assert_rejected(&other, Code::Author);
    member.assert_confirmed(&message);
}

/// 20
#[test]
fn an_organisation_keeps_its_key() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let (again, stolen, replayed) =
        (net.claim(&org("a", 1), None), net.claim(&org("a", 2), None), net.claim(&org("a", 1), None));
    member.feed(&net.send(&org_did("a"), &key("new"), &again));
    member.feed(&net.send(&org_did("a"), &key("thief"), &stolen));
    member.feed(&net.send(&org_did("a"), &key("a"), &replayed));
    member.assert_rejected(&again, Code::Exists);
    member.assert_rejected(&stolen, Code::Exists);
    assert_eq!(member.event_kinds(&replayed), [EventKind::IdentityConfirmed, EventKind::MessageConfirmed]);
    assert_eq!(identities(&member).len(), 1);
}

#[test]
fn the_lowest_node_keeps_a_peer_id_even_if_it_is_decided_last() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    member.feed(&net.register("b", 2));
    let (low, high) = (net.claim(&node("low", 10, 1), Some("peer")), net.claim(&node("high", 11, 2), Some("peer")));
    let [low_content, low_pin] = net.send(&org_did("a"), &key("a"), &low);
    member.take(&low_pin);
    member.feed(&net.send(&org_did("b"), &key("b"), &high));
    assert_eq!(peer_holder(&member, "peer").as_deref(), Some("did:firefly:node/high"));
    member.take(&low_content);
    assert_eq!(peer_holder(&member, "peer").as_deref(), Some("did:firefly:node/low"));
    let again = net.claim(&node("high", 11, 2), Some("another"));
    member.feed(&net.send(&org_did("b"), &key("b"), &again));
    member.assert_rejected(&again, Code::Exists);
}

#[test]
fn an_update_must_fit_the_identity() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    member.feed(&net.register("b", 2));
    let cases = [
        (org("a", 1), "a", None),
        (org("a", 1), "b", Some(Code::DefinitionAuthor)),
        (org("a", 7), "a", Some(Code::IdentityUnknown)),
        (child("a", 1, 2), "a", Some(Code::Base)),
        (org("x", 8), "a", Some(Code::IdentityUnknown)),
    ];
    for (identity, author, expected) in cases {
        let update = net.update(&identity);
        member.feed(&net.send(&org_did(author), &key(author), &update));
        match expected {
            None => {
                member.assert_confirmed(&update);
                assert_eq!(member.event_kinds(&update)[0], EventKind::IdentityUpdated);
            }
            Some(code) => member.assert_rejected(&update, code),
        }
    }
    let mut elsewhere = net.update(&org("a", 1));
    elsewhere.topics = vec!["t".to_owned()];
    member.feed(&net.send(&org_did("a"), &key("a"), &elsewhere));
    member.assert_rejected(&elsewhere, Code::Topic);
}

#[test]
fn one_key_cannot_fill_the_table_of_claims() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.rules.claims_per_key = 3;
    member.feed(&net.register("a", 1));
    let mut last = None;
    for n in 0..5 {
        let claim = net.claim(&child(&format!("c{n}"), 100 + n, 1), None);
        member.feed(&net.send(&org_did(&format!("c{n}")), &key("k"), &claim));
        match n {
            0..3 => member.assert_confirmed(&claim),
            _ => member.assert_rejected(&claim, Code::TooManyClaims),
        }
        last = Some(claim);
    }
    // One that is verified still counts.
    assert!(last.is_some());
    let message = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("k"), &key("k"), &message));
    member.assert_rejected(&message, Code::RefusedKey);
}

#[test]
fn a_history_that_is_abandoned_holds_nobody() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let junk = net.lost(&key("a"), &["junk"]);
    member.take(&Fact::Pinned(junk.clone()));
    let claim = net.claim(&org("a", 1), None);
    member.feed(&net.send(&org_did("a"), &key("a"), &claim));
    member.assert_waits(&claim, &Reason::SignerHistory(key("a")));
    member.take(&Fact::Operator(Order::Abandon(junk.pos)));
    member.assert_confirmed(&claim);
}

#[test]
fn a_legacy_node_finds_its_parent_by_key() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let identity = Base { parent: None, ..node("n", 5, 0) };
    let legacy = |net: &mut Network| {
        let claim = Claim { identity: identity.clone(), peer: Some("peer".to_owned()) };
        net.definition(&did_topic(&identity.did), Definition::LegacyNode { claim, owner: key("a") })
    };
    let early = legacy(&mut net);
    member.feed(&net.send(&org_did("a"), &key("x"), &early));
    member.assert_rejected(&early, Code::IdentityUnknown);
    member.feed(&net.register("a", 1));
    let late = legacy(&mut net);
    member.feed(&net.send(&org_did("a"), &key("a"), &late));
    member.assert_confirmed(&late);
    assert_eq!(identities(&member).len(), 2);
}

#[test]
fn a_private_kind_does_not_excuse_an_unregistered_key_on_an_open_pin() {
    let (mut net, mut member) = (Network::new(), Member::default());
    let message = net.message(Kind::GroupInit, &["t"]);
    let content = net.batch(&org_did("a"), &key("a"), vec![message.clone()]);
    member.take(&Fact::Pinned(net.pin(&content, &key("a"))));
    member.take(&stored(&content));
    assert_eq!(member.verdict(&message), None);
    assert_eq!(member.closed(&context("t")), None);
}
