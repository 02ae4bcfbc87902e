//! Pins that are not what they should be: copies, forgeries, and logs that the ledger takes back.

use std::sync::Arc;

use photinus_model::Hash;
use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Alarm, Code, Decision};
use photinus_sequencing::facts::content::{Content, Kind, Message};
use photinus_sequencing::facts::{Event, Fact, Order};

use crate::member::Member;
use crate::network::{Network, context, key, org_did, stored};

/// A network with one organisation, and a message of it on two topics that is not pinned yet.
fn start() -> (Network, Member, Message, Arc<Content>) {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let message = net.broadcast(&["t1", "t2"]);
    let content = net.batch(&org_did("a"), &key("a"), vec![message.clone()]);
    (net, member, message, content)
}

fn pinned(event: Arc<Event>) -> Fact {
    Fact::Pinned(event)
}

/// 4
#[test]
fn a_full_copy_by_a_stranger_that_comes_first_spoils_the_message() {
    let (mut net, mut member, message, content) = start();
    member.take(&pinned(net.pin(&content, &key("stranger"))));
    member.take(&pinned(net.pin(&content, &key("a"))));
    member.take(&stored(&content));
    member.assert_rejected(&message, Code::Signer);
    assert_eq!(member.decided().last().unwrap().pins.len(), 2);
    assert_eq!(member.closed(&context("t1")), None);
}

/// 5
#[test]
fn a_copy_with_another_hash_closes_the_context_until_abandoned() {
    let (mut net, mut member, message, content) = start();
    let mut wrong = content.batch;
    wrong.hash = Hash::of("wrong");
    let event = net.pin_values(wrong, &key("stranger"), vec![context("t1")]);
    member.take(&pinned(event.clone()));
    member.take(&stored(&content));
    member.take(&pinned(net.pin(&content, &key("a"))));
    assert_eq!(member.closed(&context("t1")), Some((event.place(0), Reason::Content(wrong))));
    assert_eq!(member.verdict(&message), None);
    member.take(&Fact::Operator(Order::Abandon(event.pos)));
    member.assert_confirmed(&message);
}

/// 6
#[test]
fn a_wrong_hash_on_another_context_does_no_harm() {
    let (mut net, mut member, message, content) = start();
    let mut wrong = content.batch;
    wrong.hash = Hash::of("wrong");
    member.take(&pinned(net.pin_values(wrong, &key("stranger"), vec![context("elsewhere")])));
    member.take(&stored(&content));
    member.take(&pinned(net.pin(&content, &key("a"))));
    member.assert_confirmed(&message);
}

/// 7
#[test]
fn an_altered_copy_orders_nothing() {
    for before in [true, false] {
        for payload_first in [true, false] {
            let (mut net, mut member, message, content) = start();
            let altered = vec![context("t1"), context("altered")];
            let mut events = vec![net.pin_values(content.batch, &key("stranger"), altered.clone())];
            events.push(net.pin(&content, &key("a")));
            if !before {
                events = vec![net.pin(&content, &key("a")), net.pin_values(content.batch, &key("stranger"), altered)];
            }
            if payload_first {
                member.take(&stored(&content));
            }
            for event in events {
                member.take(&pinned(event));
            }
            member.take(&stored(&content));
            member.assert_confirmed(&message);
            assert_eq!(member.event_kinds(&message).len(), 2);
            assert_eq!(member.closed(&context("altered")), None);
        }
    }
}

/// 8
#[test]
fn an_open_pin_on_a_private_batch_orders_nothing() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let mut message = net.message(Kind::Private, &["t"]);
    message.group = Some(Hash::of("group"));
    let after = net.broadcast(&["t"]);
    let content = net.batch(&org_did("a"), &key("a"), vec![message.clone()]);
    member.take(&pinned(net.pin(&content, &key("stranger"))));
    member.feed(&net.send(&org_did("a"), &key("a"), &after));
    assert_eq!(member.verdict(&after), None);
    member.take(&stored(&content));
    assert_eq!(member.verdict(&message), None);
    member.assert_confirmed(&after);
}

/// 10
#[test]
fn a_private_message_over_an_open_pin_is_never_shown() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let forged = net.message(Kind::Private, &["t"]);
    let after = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("a"), &key("stranger"), &forged));
    member.feed(&net.send(&org_did("a"), &key("a"), &after));
    assert_eq!(member.verdict(&forged), None);
    member.assert_confirmed(&after);
    assert!(member.decisions.iter().any(|decision| matches!(decision, Decision::Void { .. })));
}

#[test]
fn a_masked_value_that_equals_a_context_closes_nothing() {
    let (mut net, mut member, message, content) = start();
    let mut masked = Event::clone(&net.pin(&content, &key("stranger")));
    masked.payload_ref.clear();
    member.take(&Fact::Pinned(Arc::new(masked)));
    member.take(&pinned(net.pin(&content, &key("a"))));
    member.take(&stored(&content));
    member.assert_confirmed(&message);
}

#[test]
fn a_forged_author_is_rejected() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    member.feed(&net.register("b", 2));
    let (forged, nobody, after) = (net.broadcast(&["t"]), net.broadcast(&["t"]), net.broadcast(&["t"]));
    member.feed(&net.send(&org_did("a"), &key("b"), &forged));
    member.feed(&net.send(&"".into(), &key("b"), &nobody));
    member.feed(&net.send(&org_did("a"), &key("a"), &after));
    member.assert_rejected(&forged, Code::Author);
    member.assert_rejected(&nobody, Code::Author);
    member.assert_confirmed(&after);
}

/// 25
#[test]
fn a_message_in_two_batches_is_decided_once() {
    for order in [[0, 1], [1, 0]] {
        let (mut net, mut member, message, first) = start();
        let extra = net.broadcast(&["t1"]);
        let second = net.batch(&org_did("a"), &key("a"), vec![extra.clone(), message.clone()]);
        let contents = [first, second];
        for content in &contents {
            let event = net.pin(content, &key("a"));
            member.take(&pinned(event));
        }
        for index in order {
            member.take(&stored(&contents[index]));
        }
        assert_eq!(member.order(&[&message, &extra]), [0, 1]);
        assert_eq!(member.event_kinds(&message).len(), 2);
    }
}

#[test]
fn surplus_and_missing_values_are_void() {
    let (mut net, mut member, message, content) = start();
    let surplus = vec![context("t1"), context("t2"), context("surplus")];
    let short = net.pin_values(content.batch, &key("a"), vec![context("t1")]);
    member.take(&pinned(short));
    member.take(&stored(&content));
    assert_eq!(member.verdict(&message), None);
    assert_eq!(member.closed(&context("t1")), None);
    member.take(&pinned(net.pin_values(content.batch, &key("a"), surplus)));
    member.assert_confirmed(&message);
    assert_eq!(member.closed(&context("surplus")), None);
}

/// 12
#[test]
fn ids_used_again_with_other_content_do_no_harm() {
    let (mut net, mut member, message, content) = start();
    let mut forged = message.clone();
    forged.key.hash = Hash::of("forged");
    let mut other = Content::clone(&content);
    other.batch.hash = Hash::of("forged batch");
    other.messages = vec![forged];
    member.take(&stored(&Arc::new(other)));
    member.take(&pinned(net.pin(&content, &key("a"))));
    member.take(&stored(&content));
    member.assert_confirmed(&message);
}

/// 32, above every decision
#[test]
fn a_shallow_fork_is_derived_again() {
    let (mut net, mut member, message, content) = start();
    let (claim, late) = (net.claim(&crate::network::org("b", 2), None), net.broadcast(&["t1"]));
    let junk = net.lost(&key("b"), &["t1", "t2"]);
    let gone = net.pin(&content, &key("a"));
    let claimed = net.batch(&org_did("b"), &key("b"), vec![claim.clone(), late.clone()]);
    let gone_too = net.pin(&claimed, &key("b"));
    member.take(&stored(&content));
    member.take(&stored(&claimed));
    for event in [&junk, &gone, &gone_too] {
        member.take(&pinned(event.clone()));
    }
    assert_eq!(member.order(&[&message, &claim, &late]), [0; 0]);
    let before = member.table.len();
    member.take(&Fact::Retracted(junk.pos));
    assert_eq!(member.closed(&context("t1")), None);
    assert!(member.missing(10).is_empty());
    assert!(member.alarms().is_empty());
    assert!(member.table.len() < before);
    let withdrawn: Vec<_> = member
        .decisions
        .iter()
        .filter_map(|decision| match decision {
            Decision::Withdrawn { event: Some(event), .. } => Some(event.pos),
            _ => None,
        })
        .collect();
    assert_eq!(withdrawn, [junk.pos, gone.pos, gone_too.pos]);
    // The other branch has the same batches in another order, and not the one without payload.
    let mut events = [Event::clone(&gone_too), Event::clone(&gone)];
    events[0].pos = junk.pos;
    events[1].pos = gone.pos;
    for event in events {
        member.take(&Fact::Pinned(Arc::new(event)));
    }
    assert_eq!(member.order(&[&message, &claim, &late]), [1, 2, 0]);
    for message in [&message, &claim, &late] {
        member.assert_confirmed(message);
    }
}

#[test]
fn a_fork_that_takes_the_lower_of_two_anchors_leaves_the_upper_one() {
    let (mut net, mut member, message, content) = start();
    let junk = net.lost(&key("x"), &["t1"]);
    let low = net.pin(&content, &key("stranger"));
    let high = net.pin(&content, &key("a"));
    member.take(&stored(&content));
    for event in [&junk, &low, &high] {
        member.take(&pinned(event.clone()));
    }
    // Not the low one alone can be taken back by the ledger, but an operator can.
    member.take(&Fact::Operator(Order::Abandon(low.pos)));
    member.take(&Fact::Operator(Order::Abandon(junk.pos)));
    member.assert_confirmed(&message);
    assert_eq!(member.decided().last().unwrap().place, high.place(0));
}

/// 32, below a decision
#[test]
fn a_deep_fork_stops_the_intake() {
    let (mut net, mut member, message, content) = start();
    member.take(&stored(&content));
    let event = net.pin(&content, &key("a"));
    member.take(&pinned(event.clone()));
    member.assert_confirmed(&message);
    member.take(&Fact::Retracted(event.pos));
    assert_eq!(member.alarms(), [&Alarm::RetractedDecision { pos: event.pos, decided: event.pos }]);
    let after = net.broadcast(&["t3"]);
    member.feed(&net.send(&org_did("a"), &key("a"), &after));
    member.restart();
    assert_eq!(member.verdict(&after), None);
}

#[test]
fn another_log_at_a_known_position_is_ignored() {
    let (mut net, mut member, message, content) = start();
    member.take(&stored(&content));
    let event = net.pin(&content, &key("a"));
    let mut other = Event::clone(&event);
    other.signer = key("stranger");
    member.take(&pinned(event.clone()));
    member.take(&Fact::Pinned(Arc::new(other)));
    member.assert_confirmed(&message);
    assert_eq!(member.alarms(), [&Alarm::OtherLog { pos: event.pos }]);
}

#[test]
fn a_log_out_of_order_is_ignored() {
    let (mut net, mut member, message, content) = start();
    member.take(&stored(&content));
    let early = net.pin(&content, &key("stranger"));
    let event = net.pin(&content, &key("a"));
    member.take(&pinned(event.clone()));
    member.take(&pinned(early.clone()));
    member.assert_confirmed(&message);
    let next = event.pos.next().unwrap();
    assert_eq!(member.alarms(), [&Alarm::OutOfOrder { pos: early.pos, next }]);
}
