//! One order across the authors of a group.

use std::sync::Arc;

use photinus_sequencing::Reason;
use photinus_sequencing::explain::State;
use photinus_sequencing::facts::{Event, Fact, Order, Source};
use photinus_sequencing::rules::PrivateOrder;

use super::private::{Sent, Start, start};
use crate::network::{key, masked, org_did};

fn ordered() -> Start {
    let mut on = start();
    on.member.rules.private_order = PrivateOrder::Ledger;
    on
}

#[track_caller]
fn assert_behind(on: &mut Start, waits: &Sent, author: &str, nonce: u64) {
    match on.member.state(&waits.message.key) {
        Some(State::Waiting { reason: Reason::Before { lane, nonce: found, .. }, .. }) => {
            assert_eq!((lane.author, found), (org_did(author), nonce));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_that_is_missing_holds_all_behind_it_on_its_topic() {
    let mut on = ordered();
    let (late, other) = (on.send("a", &["t"], &[0]), on.send("b", &["t"], &[0]));
    let (elsewhere, last) = (on.send("b", &["u"], &[0]), on.send("a", &["t"], &[1]));
    on.member.take(&late.event());
    for one in [&other, &elsewhere, &last] {
        on.member.feed([&one.content(), &one.event()]);
    }
    on.member.assert_confirmed(&elsewhere.message);
    assert_behind(&mut on, &other, "a", 0);
    on.member.take(&late.content());
    assert_eq!(on.member.order(&[&late.message, &other.message, &last.message]), [0, 1, 2]);
}

#[test]
fn what_a_stranger_pins_in_the_name_of_a_member_holds_nobody() {
    let mut on = ordered();
    // b is registered to b, so its claim on a slot of a can never come to anything.
    let nothing = on.net.batch(&org_did("a"), &key("b"), vec![]);
    let values = vec![masked(&on.group, "t", &org_did("a"), 0)];
    let foreign = on.net.pin_masked(&nothing, &key("b"), values);
    let sent = on.send("b", &["t"], &[0]);
    on.member.feed([&Fact::Pinned(foreign), &sent.event(), &sent.content()]);
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn what_is_given_up_lets_all_behind_it_go_on() {
    let mut on = ordered();
    let (lost, other, next) = (on.send("a", &["t"], &[0]), on.send("b", &["t"], &[0]), on.send("a", &["t"], &[1]));
    on.member.take(&lost.event());
    for one in [&other, &next] {
        on.member.feed([&one.content(), &one.event()]);
    }
    assert_behind(&mut on, &other, "a", 0);
    on.member.take(&Fact::Operator(Order::Abandon(lost.event.pos)));
    assert_eq!(on.member.order(&[&other.message, &next.message]), [0, 1]);
    on.member.take(&lost.content());
    assert_eq!(on.member.verdict(&lost.message), None);
}

/// The first message on `t` stands behind one on `u` that was mined last, so what another wrote in between comes first. Seen at
/// once, or one after the other, it is the same.
#[test]
fn a_message_stands_as_high_as_what_comes_before_it_in_its_other_lanes() {
    for late in 0..3 {
        let mut on = ordered();
        let (early, between) = (on.send("a", &["t", "u"], &[0, 1]), on.send("b", &["t", "u"], &[0, 0]));
        let first = on.send("a", &["u"], &[0]);
        let sent = [&early, &between, &first];
        for (index, one) in sent.iter().enumerate() {
            on.member.take(&one.event());
            if index != late {
                on.member.take(&one.content());
            }
        }
        on.member.take(&sent[late].content());
        let order = on.member.order(&[&between.message, &first.message, &early.message]);
        assert_eq!(order, [0, 1, 2], "content {late} came last");
        assert!(on.member.decided().is_sorted_by_key(|decided| decided.place.pos));
    }
}

#[test]
fn a_copy_of_a_pin_that_comes_first_does_not_change_places() {
    let mut on = ordered();
    let sent = on.send("a", &["t"], &[0]);
    let other = on.send("b", &["t"], &[0]);
    let copy = Arc::new(Event { pos: sent.event.pos, signer: key("x"), ..Event::clone(&sent.event) });
    let moved = Fact::Pinned(Arc::new(Event { pos: on.net.pos(), ..Event::clone(&sent.event) }));
    on.member.feed([&Fact::Pinned(copy), &other.event(), &other.content()]);
    assert_behind(&mut on, &other, "a", 0);
    on.member.feed([&moved, &sent.from(Source::Own)]);
    assert_eq!(on.member.order(&[&sent.message, &other.message]), [1, 0]);
}

/// A stranger's claim counts as the lowest that a slot can stand, until the one that has it is pinned, higher.
#[test]
fn a_slot_that_moves_up_when_it_is_pinned_lets_others_go_on() {
    let mut on = ordered();
    let nothing = on.net.batch(&org_did("a"), &key("x"), vec![]);
    let strange = on.net.pin_masked(&nothing, &key("x"), vec![masked(&on.group, "t", &org_did("a"), 0)]);
    let (other, sent) = (on.send("b", &["t"], &[0]), on.send("a", &["t"], &[0]));
    on.member.feed([&Fact::Pinned(strange), &other.event(), &other.content()]);
    assert_behind(&mut on, &other, "a", 0);
    // The content is here before its pin.
    on.member.feed([&sent.content(), &sent.event()]);
    assert_eq!(on.member.order(&[&other.message, &sent.message]), [0, 1]);
}
