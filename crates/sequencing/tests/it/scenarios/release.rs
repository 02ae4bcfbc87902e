//! Giving an event up together.

use std::sync::Arc;

use photinus_sequencing::decision::{Alarm, Decision};
use photinus_sequencing::facts::{Event, Fact, Pos, Release, Source};
use photinus_sequencing::text::Signer;

use super::private;
use crate::member::Member;
use crate::network::{Network, child, key, org_did, stored};

fn vote(net: &mut Network, signer: &Signer, target: Pos) -> Fact {
    Fact::Release(Release { pos: net.pos(), contract: 0, signer: signer.clone(), target })
}

fn released(member: &Member) -> Vec<Pos> {
    let of = |decision: &Decision| match decision {
        Decision::Released { pos, .. } => Some(*pos),
        _ => None,
    };
    member.decisions.iter().filter_map(of).collect()
}

/// Three organisations, and a batch without payload by `signer` on the topic `t`.
fn blocked(signer: &str) -> (Network, Member, Arc<Event>) {
    let (mut net, mut member) = (Network::new(), Member::default());
    for (name, id) in [("a", 1), ("b", 2), ("c", 3)] {
        member.feed(&net.register(name, id));
    }
    let lost = net.lost(&key(signer), &["t"]);
    member.take(&Fact::Pinned(Arc::clone(&lost)));
    (net, member, lost)
}

#[test]
fn its_own_organisation_releases_a_batch_alone() {
    let (mut net, mut member, lost) = blocked("a");
    let behind = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("b"), &key("b"), &behind));
    assert_eq!(member.verdict(&behind), None);
    member.take(&vote(&mut net, &key("b"), lost.pos));
    assert_eq!(released(&member), []);
    member.take(&vote(&mut net, &key("a"), lost.pos));
    assert_eq!(released(&member), [lost.pos]);
    member.assert_confirmed(&behind);
}

#[test]
fn the_organisation_above_the_signer_releases_its_batch() {
    let (mut net, mut member) = (Network::new(), Member::default());
    for (name, id) in [("a", 1), ("b", 2), ("c", 3)] {
        member.feed(&net.register(name, id));
    }
    let unit = child("u", 4, 1);
    let claim = net.claim(&unit, None);
    let verification = net.verification(&claim, &unit);
    member.feed(&net.send(&unit.did, &key("u"), &claim));
    member.feed(&net.send(&org_did("a"), &key("a"), &verification));
    let lost = net.lost(&key("u"), &["t"]);
    member.take(&Fact::Pinned(Arc::clone(&lost)));
    // A child has no vote, not even on its own batch.
    member.take(&vote(&mut net, &key("u"), lost.pos));
    assert_eq!(released(&member), []);
    member.take(&vote(&mut net, &key("a"), lost.pos));
    assert_eq!(released(&member), [lost.pos]);
}

#[test]
fn what_a_stranger_pinned_is_released_by_more_than_half() {
    let (mut net, mut member, lost) = blocked("stranger");
    member.take(&vote(&mut net, &key("stranger"), lost.pos));
    member.take(&vote(&mut net, &key("a"), lost.pos));
    // A second vote by the same counts no more than one.
    member.take(&vote(&mut net, &key("a"), lost.pos));
    assert_eq!(released(&member), []);
    let tally = member.votes(lost.pos).unwrap();
    assert_eq!((tally.votes, tally.owner, tally.electorate), (vec![org_did("a")], None, Some(3)));
    let last = vote(&mut net, &key("c"), lost.pos);
    member.feed([&last, &last]);
    assert_eq!(released(&member), [lost.pos]);
    assert_eq!(member.votes(lost.pos), None);
}

#[test]
fn who_registers_later_has_no_vote() {
    let (mut net, mut member, lost) = blocked("stranger");
    for (name, id) in [("d", 4), ("e", 5), ("f", 6), ("g", 7)] {
        member.feed(&net.register(name, id));
        member.take(&vote(&mut net, &key(name), lost.pos));
    }
    assert_eq!(released(&member), []);
    assert_eq!(member.votes(lost.pos).unwrap().electorate, Some(3));
}

#[test]
fn a_position_that_is_wrong_or_decided_is_not_released() {
    let (mut net, mut member, lost) = blocked("a");
    let message = net.broadcast(&["u"]);
    let content = net.batch(&org_did("a"), &key("a"), vec![message.clone()]);
    let event = net.pin(&content, &key("a"));
    member.feed([&Fact::Pinned(Arc::clone(&event)), &stored(&content)]);
    let nowhere = Pos { log: 7, ..lost.pos };
    let future = Pos { block: u64::MAX, ..lost.pos };
    for target in [event.pos, nowhere, future] {
        member.take(&vote(&mut net, &key("a"), target));
    }
    assert_eq!(released(&member), []);
    member.assert_confirmed(&message);
}

/// Who may vote is known only when all below the event is; until then votes are kept.
#[test]
fn votes_wait_for_what_stands_below() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let late = net.claim(&crate::network::org("b", 2), None);
    let late = net.batch(&org_did("b"), &key("b"), vec![late]);
    let claim = net.pin(&late, &key("b"));
    member.take(&Fact::Pinned(claim));
    let lost = net.lost(&key("stranger"), &["t"]);
    member.take(&Fact::Pinned(Arc::clone(&lost)));
    // One of one would be enough, one of two is not.
    member.take(&vote(&mut net, &key("a"), lost.pos));
    assert_eq!(released(&member), []);
    assert_eq!(member.votes(lost.pos).unwrap().electorate, None);
    member.take(&vote(&mut net, &key("b"), lost.pos));
    assert_eq!(released(&member), []);
    member.restart();
    member.take(&stored(&late));
    assert_eq!(released(&member), [lost.pos]);
}

#[test]
fn a_vote_that_the_ledger_withdraws_does_not_count() {
    let (mut net, mut member, lost) = blocked("stranger");
    let first = vote(&mut net, &key("a"), lost.pos);
    let Fact::Release(Release { pos, .. }) = &first else { panic!("a vote") };
    member.feed([&first, &Fact::Retracted(*pos)]);
    assert_eq!(member.votes(lost.pos).unwrap().votes, []);
    member.take(&vote(&mut net, &key("b"), lost.pos));
    assert_eq!(released(&member), []);
    let last = vote(&mut net, &key("c"), lost.pos);
    let Fact::Release(Release { pos, .. }) = &last else { panic!("a vote") };
    member.take(&last);
    assert_eq!(released(&member), [lost.pos]);
    // What was given up stays given up.
    member.take(&Fact::Retracted(*pos));
    assert!(matches!(member.alarms()[..], [Alarm::RetractedDecision { .. }]));
}

#[test]
fn a_private_batch_that_is_released_uses_its_slots() {
    let mut on = private::start();
    let (lost, next) = (on.send("a", &["t", "u"], &[0, 0]), on.send("a", &["t"], &[1]));
    on.member.feed([&lost.event(), &next.content(), &next.event()]);
    assert_eq!(on.member.verdict(&next.message), None);
    let release = vote(&mut on.net, &key("a"), lost.event.pos);
    on.member.take(&release);
    on.member.assert_confirmed(&next.message);
    // A lane that nothing was known of when it was released goes on as well.
    let later = on.send("a", &["u"], &[1]);
    on.member.feed([&later.content(), &later.event()]);
    on.member.assert_confirmed(&later.message);
    on.member.take(&lost.from(Source::Own));
    assert_eq!(on.member.verdict(&lost.message), None);
    assert_eq!(on.member.state(&lost.message.key), None);
}
