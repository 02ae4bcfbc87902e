//! Private messages: lanes, claims, groups, and who may deliver what.

use std::sync::Arc;

use photinus_model::Hash;
use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Alarm, Code, Effect};
use photinus_sequencing::explain::State;
use photinus_sequencing::facts::content::{Content, Group, Message};
use photinus_sequencing::facts::definition::IdentityKind;
use photinus_sequencing::facts::{Event, Fact, Order, Source};
use photinus_sequencing::reason::Lane;

use crate::member::Member;
use crate::network::{Network, base, group, key, masked, org_did};

/// A network with a group of two organisations that are registered, and a member that knows the group.
pub(super) struct Start {
    pub(super) net: Network,
    pub(super) member: Member,
    pub(super) group: Group,
}

pub(super) fn start() -> Start {
    let (mut net, mut member) = (Network::new(), Member::default());
    for (name, id) in [("a", 1), ("b", 2)] {
        member.feed(&net.register(name, id));
    }
    let group = group("ab", &["a", "b"]);
    member.take(&Fact::Group(group.clone()));
    Start { net, member, group }
}

/// The content and the event of one message under these nonces, one per topic.
pub(super) struct Sent {
    pub(super) message: Message,
    pub(super) content: Arc<Content>,
    pub(super) event: Arc<Event>,
}

impl Sent {
    pub(super) fn content(&self) -> Fact {
        Fact::Content(Arc::clone(&self.content), Source::Own)
    }

    pub(super) fn from(&self, source: Source) -> Fact {
        Fact::Content(Arc::clone(&self.content), source)
    }

    pub(super) fn event(&self) -> Fact {
        Fact::Pinned(Arc::clone(&self.event))
    }
}

impl Start {
    pub(super) fn send(&mut self, author: &str, topics: &[&str], nonces: &[u64]) -> Sent {
        let message = self.net.secret(&self.group, topics);
        self.pin(author, message, nonces)
    }

    pub(super) fn pin(&mut self, author: &str, message: Message, nonces: &[u64]) -> Sent {
        let content = self.net.batch(&org_did(author), &key(author), vec![message.clone()]);
        let values = self.values(author, &message, nonces);
        let event = self.net.pin_masked(&content, &key(author), values);
        Sent { message, content, event }
    }

    fn values(&self, author: &str, message: &Message, nonces: &[u64]) -> Vec<Hash> {
        let slots = message.topics.iter().zip(nonces);
        slots.map(|(topic, nonce)| masked(&self.group, topic, &org_did(author), *nonce)).collect()
    }

    pub(super) fn lane(&self, author: &str, topic: &str) -> Lane {
        Lane { group: self.group.hash, topic: topic.to_owned(), author: org_did(author) }
    }
}

#[test]
fn a_lane_is_decided_in_the_order_of_its_nonces() {
    let mut on = start();
    let sent: Vec<_> = (0..3).map(|nonce| on.send("a", &["t"], &[nonce])).collect();
    for one in &sent {
        on.member.feed([&one.content(), &one.event(), &one.event(), &one.content()]);
    }
    assert_eq!(on.member.order(&sent.iter().map(|one| &one.message).collect::<Vec<_>>()), [0, 1, 2]);
    assert!(sent.iter().all(|one| on.member.event_kinds(&one.message).len() == 1));
    assert_eq!(on.member.lane(&on.lane("a", "t")), None);
    let pins: Vec<_> = on.member.decided().skip(2).map(|decided| decided.pins.len()).collect();
    assert_eq!(pins, [1, 1, 1]);
}

/// 26
#[test]
fn a_message_waits_for_its_group() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    let group = group("ab", &["a", "b"]);
    let mut on = Start { net, member, group };
    let sent = on.send("a", &["t"], &[0]);
    on.member.feed([&sent.content(), &sent.event()]);
    on.member.assert_waits(&sent.message, &Reason::Group(on.group.hash));
    let init = on.net.group_init(&on.group);
    let init = on.pin("a", init, &[0]);
    on.member.feed([&init.event(), &init.content()]);
    on.member.assert_confirmed(&sent.message);
    on.member.assert_confirmed(&init.message);
    let known = on.member.effects().filter(|effect| matches!(effect, Effect::Group { .. })).count();
    assert_eq!(known, 1);
}

/// 14, 34
#[test]
fn a_payload_that_is_withheld_holds_one_lane() {
    let mut on = start();
    let (lost, next) = (on.send("a", &["t"], &[0]), on.send("a", &["t"], &[1]));
    let (other_topic, other_author) = (on.send("a", &["u"], &[0]), on.send("b", &["t"], &[0]));
    on.member.take(&lost.event());
    for one in [&next, &other_topic, &other_author] {
        on.member.feed([&one.content(), &one.event()]);
    }
    assert_eq!(on.member.verdict(&next.message), None);
    on.member.assert_confirmed(&other_topic.message);
    on.member.assert_confirmed(&other_author.message);
    let lane = on.lane("a", "t");
    assert_eq!(on.member.lane(&lane), Some((0, Reason::Content(lost.content.batch))));
    on.member.assert_waits(&next.message, &Reason::Slot(lane, 0));
    // Another member serves it.
    on.member.take(&lost.from(Source::Repair));
    assert_eq!(on.member.order(&[&lost.message, &next.message]), [0, 1]);
}

/// 22
#[test]
fn nonces_mined_in_reverse_are_put_in_order() {
    for payloads_first in [true, false] {
        let mut on = start();
        let (second, first) = (on.send("a", &["t"], &[1]), on.send("a", &["t"], &[0]));
        let (contents, events) = ([first.content(), second.content()], [second.event(), first.event()]);
        if payloads_first {
            on.member.feed(contents.iter().chain(&events));
        } else {
            on.member.feed(events.iter().chain(&contents));
        }
        assert_eq!(on.member.order(&[&first.message, &second.message]), [0, 1]);
        let places: Vec<_> = on.member.decided().skip(2).map(|decided| decided.place.pos).collect();
        assert_eq!(places, [first.event.pos, first.event.pos]);
    }
}

#[test]
fn a_message_on_two_topics_waits_for_both_lanes() {
    let mut on = start();
    let (low, both, after) =
        (on.send("a", &["u"], &[0]), on.send("a", &["t", "u"], &[0, 1]), on.send("a", &["t"], &[1]));
    on.member.feed([&low.event(), &both.event(), &after.event(), &both.content(), &after.content()]);
    on.member.assert_waits(&both.message, &Reason::Slot(on.lane("a", "u"), 0));
    assert_eq!(on.member.verdict(&after.message), None);
    on.member.take(&low.content());
    assert_eq!(on.member.order(&[&low.message, &both.message, &after.message]), [0, 1, 2]);
}

/// 9
#[test]
fn a_foreign_pin_with_random_values_spoils_the_message_but_not_the_lane() {
    let mut on = start();
    let (sent, next) = (on.send("a", &["t"], &[0]), on.send("a", &["t"], &[1]));
    let random = Event { pos: on.net.pos(), ..Event::clone(&sent.event) };
    // The stranger comes first, so the true events come again, later.
    let foreign = Event { signer: key("stranger"), values: vec![Hash::of("random")], ..random };
    let again = |net: &mut Network, event: &Event| Fact::Pinned(Arc::new(Event { pos: net.pos(), ..event.clone() }));
    let (first, second) = (again(&mut on.net, &sent.event), again(&mut on.net, &next.event));
    on.member.feed([&Fact::Pinned(Arc::new(foreign)), &first, &second, &sent.content(), &next.content()]);
    on.member.assert_rejected(&sent.message, Code::Signer);
    on.member.assert_confirmed(&next.message);
}

/// 23
#[test]
fn a_foreign_claim_of_the_first_slot_does_not_hold_the_lane() {
    let mut on = start();
    let nothing = on.net.batch(&org_did("x"), &key("x"), vec![]);
    let value = masked(&on.group, "t", &org_did("a"), 0);
    let foreign = on.net.pin_masked(&nothing, &key("x"), vec![value]);
    let sent = on.send("a", &["t"], &[0]);
    on.member.feed([&Fact::Pinned(foreign), &sent.event(), &sent.content()]);
    on.member.assert_confirmed(&sent.message);
    assert_eq!(on.member.decided().last().unwrap().place.pos, sent.event.pos);
}

/// 24
#[test]
fn a_gap_fill_takes_the_place_of_what_was_cancelled() {
    for cancelled_first in [true, false] {
        let mut on = start();
        let make = |on: &mut Start| on.send("a", &["t"], &[0]);
        let fill = |on: &mut Start, replaced: &Message| {
            let mut message = on.net.secret(&on.group, &["t"]);
            message.tag = "ff_gap_fill".to_owned();
            message.cid = Some(replaced.key.id);
            on.pin("a", message, &[0])
        };
        let cancelled = make(&mut on);
        let filler = fill(&mut on, &cancelled.message);
        let late = Fact::Pinned(Arc::new(Event { pos: on.net.pos(), ..Event::clone(&cancelled.event) }));
        on.member.take(&cancelled.content());
        let cancels = |member: &Member| member.effects().any(|effect| matches!(effect, Effect::Cancelled { .. }));
        if cancelled_first {
            on.member.feed([&cancelled.event(), &filler.event(), &filler.content()]);
            on.member.assert_confirmed(&cancelled.message);
            assert_eq!(on.member.verdict(&filler.message), None);
            assert!(!cancels(&on.member));
        } else {
            on.member.feed([&filler.event(), &filler.content(), &late]);
            on.member.assert_confirmed(&filler.message);
            assert_eq!(on.member.verdict(&cancelled.message), None);
        }
        let after = on.send("a", &["t"], &[1]);
        on.member.feed([&after.content(), &after.event()]);
        on.member.assert_confirmed(&after.message);
        assert_eq!(on.member.alarms(), [] as [&Alarm; 0], "what is replaced is not said twice");
    }
}

/// Two messages of one author under one value: told once both are here, whichever is decided and whenever they come.
#[test]
fn two_messages_under_one_value_are_told() {
    for order in [[0, 1, 2, 3], [0, 2, 1, 3], [1, 3, 0, 2], [3, 2, 1, 0], [0, 1, 3, 2]] {
        let mut on = start();
        let (one, other) = (on.send("a", &["t"], &[0]), on.send("a", &["t"], &[0]));
        let facts = [one.event(), other.event(), one.content(), other.content()];
        // The ledger tells in its order.
        let mut events = 0;
        for fact in order {
            let event = if fact < 2 { Some(events) } else { None };
            events += usize::from(event.is_some());
            on.member.take(&facts[event.unwrap_or(fact)]);
        }
        on.member.assert_confirmed(&one.message);
        assert_eq!(on.member.verdict(&other.message), None);
        let alarms = on.member.alarms();
        let Some(Alarm::TwoMessages(told)) = alarms.first() else { panic!("{order:?}: {alarms:?}") };
        let (lower, higher) = (told.one, told.other);
        assert_eq!(told.nonce, 0);
        assert_eq!((lower.message, higher.message), (one.message.key, other.message.key), "{order:?}");
    }
    let mut on = start();
    let (one, strange) = (on.send("a", &["t"], &[0]), on.send("b", &["u"], &[0]));
    let copy = Fact::Pinned(Arc::new(Event { values: one.event.values.clone(), ..Event::clone(&strange.event) }));
    on.member.feed([&one.content(), &strange.content(), &one.event(), &copy]);
    assert_eq!(on.member.alarms(), [] as [&Alarm; 0], "a stranger says nothing for the author");
}

#[test]
fn a_gap_fill_cancels_what_claimed_its_slot_and_nothing_else() {
    let mut on = start();
    let (cancelled, other) = (on.send("a", &["t"], &[0]), on.send("a", &["u"], &[0]));
    let mut message = on.net.secret(&on.group, &["t"]);
    message.tag = "ff_gap_fill".to_owned();
    message.cid = Some(cancelled.message.key.id);
    let mut filler = on.pin("a", message, &[0]);
    // The lower claim is of the same signer, so it is waited for, until it is given up.
    on.member.feed([&cancelled.event(), &other.event(), &filler.event(), &filler.content(), &other.content()]);
    assert_eq!(on.member.verdict(&filler.message), None);
    on.member.take(&Fact::Operator(Order::Abandon(cancelled.event.pos)));
    on.member.assert_confirmed(&filler.message);
    filler.message.tag.clear();
    let mut foreign = on.net.secret(&on.group, &["u"]);
    foreign.tag = "ff_gap_fill".to_owned();
    foreign.cid = Some(other.message.key.id);
    let foreign = on.pin("b", foreign, &[0]);
    on.member.feed([&foreign.event(), &foreign.content()]);
    on.member.assert_confirmed(&foreign.message);
    on.member.assert_confirmed(&other.message);
    assert!(!on.member.effects().any(|effect| matches!(effect, Effect::Cancelled { .. })));
}

#[test]
fn a_replaced_message_is_labelled() {
    let mut on = start();
    let mut message = on.net.secret(&on.group, &["t"]);
    message.tag = "ff_gap_fill".to_owned();
    let cancelled = on.net.secret(&on.group, &["t"]);
    message.cid = Some(cancelled.key.id);
    let (filler, cancelled) = (on.pin("a", message, &[0]), on.pin("a", cancelled, &[0]));
    on.member.feed([&filler.event(), &cancelled.event(), &cancelled.content(), &filler.content()]);
    on.member.assert_confirmed(&filler.message);
    let effects: Vec<_> = on.member.effects().collect();
    assert_eq!(effects.last(), Some(&&Effect::Cancelled { message: cancelled.message.key }));
}

/// 28
#[test]
fn content_of_an_unknown_peer_is_kept_until_its_node_is_known() {
    let mut on = start();
    let (sent, foreign) = (on.send("a", &["t"], &[0]), on.send("b", &["t"], &[0]));
    on.member.feed([&sent.event(), &sent.from(Source::Peer("peer".to_owned()))]);
    on.member.feed([&foreign.from(Source::Peer("peer".to_owned())), &foreign.event()]);
    let storage = sent.from(Source::Storage);
    on.member.take(&storage);
    on.member.assert_waits(&sent.message, &Reason::Provenance(sent.content.batch));
    let claim = on.net.claim(&base(IdentityKind::Node, "n", 3, Some(1)), Some("peer"));
    on.member.feed(&on.net.send(&org_did("a"), &key("a"), &claim));
    on.member.assert_confirmed(&sent.message);
    on.member.assert_waits(&foreign.message, &Reason::Provenance(foreign.content.batch));
    on.member.take(&foreign.from(Source::Own));
    on.member.assert_confirmed(&foreign.message);
}

#[test]
fn a_node_of_an_ancestor_may_deliver() {
    let mut on = start();
    let identity = crate::network::child("c", 3, 1);
    let claim = on.net.claim(&identity, None);
    let verification = on.net.verification(&claim, &identity);
    let node = on.net.claim(&base(IdentityKind::Node, "n", 4, Some(1)), Some("peer"));
    on.group = group("ac", &["a", "c"]);
    on.member.take(&Fact::Group(on.group.clone()));
    let sent = on.send("c", &["t"], &[0]);
    on.member.feed([&sent.event(), &sent.from(Source::Peer("peer".to_owned()))]);
    on.member.feed(&on.net.send(&org_did("a"), &key("a"), &node));
    assert_eq!(on.member.verdict(&sent.message), None);
    on.member.feed(&on.net.send(&org_did("c"), &key("c"), &claim));
    on.member.feed(&on.net.send(&org_did("a"), &key("a"), &verification));
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn repaired_content_needs_the_key_of_its_author() {
    let mut on = start();
    on.group = group("ad", &["a", "d"]);
    on.member.take(&Fact::Group(on.group.clone()));
    let sent = on.send("d", &["t"], &[0]);
    on.member.feed([&sent.event(), &sent.from(Source::Repair)]);
    on.member.assert_waits(&sent.message, &Reason::Provenance(sent.content.batch));
    on.member.feed(&on.net.register("d", 4));
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn a_private_message_may_come_from_an_unregistered_key() {
    let mut on = start();
    on.group = group("ad", &["a", "d"]);
    on.member.take(&Fact::Group(on.group.clone()));
    let sent = on.send("d", &["t"], &[0]);
    on.member.feed([&sent.event(), &sent.content()]);
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn a_member_cannot_speak_in_the_lane_of_another() {
    let mut on = start();
    let message = on.net.secret(&on.group, &["t"]);
    let content = on.net.batch(&org_did("a"), &key("b"), vec![message.clone()]);
    let values = on.values("a", &message, &[0]);
    let forged = on.net.pin_masked(&content, &key("b"), values);
    let sent = on.send("a", &["t"], &[0]);
    on.member.feed([&Fact::Pinned(forged), &Fact::Content(content, Source::Own), &sent.event(), &sent.content()]);
    assert_eq!(on.member.verdict(&message), None);
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn who_is_no_member_has_no_lane() {
    let mut on = start();
    on.member.feed(&on.net.register("z", 26));
    let sent = on.send("z", &["t"], &[0]);
    on.member.feed([&sent.event(), &sent.content()]);
    on.member.assert_waits(&sent.message, &Reason::Slot(on.lane("z", "t"), 0));
}

/// 16
#[test]
fn a_definition_in_a_private_batch_defines_nothing() {
    let mut on = start();
    let mut definition = on.net.datatype("widget", "1");
    definition.group = Some(on.group.hash);
    let topic = definition.topics[0].clone();
    let (hidden, after) = (on.pin("a", definition, &[0]), on.send("a", &[&topic], &[1]));
    on.member.feed([&hidden.event(), &hidden.content(), &after.event(), &after.content()]);
    // Another message makes the lane known; the slot is used without a word.
    on.member.assert_confirmed(&after.message);
    assert_eq!(on.member.verdict(&hidden.message), None);
    assert!(!on.member.effects().any(|effect| matches!(effect, Effect::Datatype { .. })));
}

/// 8
#[test]
fn an_open_pin_on_a_private_batch_leaves_the_lane_intact() {
    let mut on = start();
    let sent = on.send("a", &["t"], &[0]);
    let open = Event { pos: on.net.pos(), payload_ref: "Qm".to_owned(), ..Event::clone(&sent.event) };
    on.member.feed([&sent.event(), &Fact::Pinned(Arc::new(open)), &sent.content()]);
    on.member.assert_confirmed(&sent.message);
}

#[test]
fn values_that_no_lane_can_reach_are_garbage() {
    let mut on = start();
    let message = on.net.secret(&on.group, &["t", "u"]);
    let content = on.net.batch(&org_did("a"), &key("a"), vec![message.clone()]);
    let values = vec![masked(&on.group, "t", &org_did("a"), 0), Hash::of("garbage")];
    let event = on.net.pin_masked(&content, &key("a"), values);
    let after = on.send("a", &["t"], &[1]);
    on.member.feed([&Fact::Pinned(event), &Fact::Content(content, Source::Own), &after.event(), &after.content()]);
    on.member.assert_rejected(&message, Code::Pins);
    on.member.assert_confirmed(&after.message);
}

#[test]
fn values_that_a_lane_will_reach_are_waited_for() {
    let mut on = start();
    let (ahead, first) = (on.send("a", &["t", "u"], &[0, 1]), on.send("a", &["u"], &[0]));
    on.member.feed([&ahead.event(), &ahead.content()]);
    on.member.assert_waits(&ahead.message, &Reason::Slot(on.lane("a", "u"), 0));
    on.member.feed([&first.event(), &first.content()]);
    assert_eq!(on.member.order(&[&ahead.message, &first.message]), [1, 0]);
    on.member.assert_confirmed(&ahead.message);
}

#[test]
fn a_message_that_lost_a_slot_is_rejected_and_uses_the_rest() {
    let mut on = start();
    let (winner, loser) = (on.send("a", &["t"], &[0]), on.send("a", &["t", "u"], &[0, 0]));
    let after = on.send("a", &["u"], &[1]);
    for one in [&winner, &loser, &after] {
        on.member.feed([&one.event(), &one.content()]);
    }
    on.member.assert_confirmed(&winner.message);
    on.member.assert_rejected(&loser.message, Code::Pins);
    on.member.assert_confirmed(&after.message);
}

#[test]
fn a_message_pinned_in_two_batches_uses_both_slots_and_is_decided_once() {
    let mut on = start();
    let sent = on.send("a", &["t"], &[0]);
    let again = on.pin("a", sent.message.clone(), &[1]);
    let after = on.send("a", &["t"], &[2]);
    for one in [&sent, &again, &after] {
        on.member.feed([&one.event(), &one.content()]);
    }
    assert_eq!(on.member.event_kinds(&sent.message).len(), 1);
    on.member.assert_confirmed(&after.message);
}

#[test]
fn a_private_message_waits_for_its_blob() {
    let mut on = start();
    let blob = Hash::of("blob");
    let mut message = on.net.secret(&on.group, &["t"]);
    let mut data = on.net.data();
    data.blob = Some(blob);
    message.data.push(data);
    let sent = on.pin("a", message, &[0]);
    on.member.feed([&sent.event(), &sent.content()]);
    on.member.assert_waits(&sent.message, &Reason::Blob(blob));
    assert_eq!(on.member.lane(&on.lane("a", "t")), Some((0, Reason::Blob(blob))));
    on.member.take(&Fact::BlobHeld(blob));
    on.member.assert_confirmed(&sent.message);
}

/// 32
#[test]
fn masked_events_may_be_withdrawn() {
    let mut on = start();
    let (lost, sent) = (on.send("a", &["t"], &[0]), on.send("a", &["t"], &[1]));
    on.member.feed([&sent.content(), &lost.event(), &sent.event()]);
    let other = on.send("b", &["t"], &[0]);
    on.member.feed([&other.content(), &Fact::Retracted(lost.event.pos)]);
    assert!(!on.member.alarms().iter().any(|alarm| matches!(alarm, Alarm::RetractedDecision { .. })));
    assert_eq!(on.member.state(&sent.message.key), None);
    let again = Event { pos: lost.event.pos, ..Event::clone(&sent.event) };
    on.member.take(&Fact::Pinned(Arc::new(again)));
    assert!(matches!(on.member.state(&sent.message.key), Some(State::Waiting { .. })));
    on.member
        .feed([&lost.content(), &Fact::Pinned(Arc::new(Event { pos: on.net.pos(), ..Event::clone(&lost.event) }))]);
    assert_eq!(on.member.order(&[&lost.message, &sent.message]), [0, 1]);
}

/// 36, for one lane
#[test]
fn a_lane_that_becomes_known_late_is_caught_up_with() {
    let mut on = start();
    let sent: Vec<_> = (0..300).map(|nonce| on.send("a", &["t"], &[nonce])).collect();
    for one in &sent {
        on.member.take(&one.event());
    }
    for one in sent.iter().rev() {
        on.member.take(&one.content());
    }
    assert_eq!(on.member.order(&sent.iter().map(|one| &one.message).collect::<Vec<_>>()), (0..300).collect::<Vec<_>>());
}

/// Content that nobody pinned is forgotten, whole; content that somebody pinned is not, and what comes again counts.
#[test]
fn content_without_a_pin_can_be_forgotten() {
    let mut start = start();
    let one = start.send("a", &["t"], &[0]);
    start.member.take(&one.content());
    let rows = start.member.table.len();
    let two = start.send("a", &["t"], &[1]);
    start.member.take(&two.content());
    start.member.take(&Fact::Forgotten(two.content.batch));
    assert_eq!(start.member.table.len(), rows);
    start.member.take(&one.event());
    start.member.take(&two.event());
    start.member.take(&Fact::Forgotten(one.content.batch));
    assert_eq!(start.member.order(&[&one.message, &two.message]), [0]);
    start.member.take(&two.content());
    assert_eq!(start.member.order(&[&one.message, &two.message]), [0, 1]);
}

/// A blob that was deleted is waited for again.
#[test]
fn a_blob_that_is_gone_is_missed() {
    let mut start = start();
    let hash = Hash::of("file");
    let mut message = start.net.secret(&start.group, &["t"]);
    message.data.push(photinus_sequencing::facts::content::Data {
        key: photinus_sequencing::facts::DataKey { id: photinus_model::Uuid::from_u128(9), hash },
        has_value: false,
        datatype: None,
        blob: Some(hash),
    });
    let sent = start.pin("a", message, &[0]);
    start.member.feed(&[Fact::BlobHeld(hash), Fact::BlobGone(hash), sent.content(), sent.event()]);
    assert_eq!(start.member.order(&[&sent.message]), [] as [usize; 0]);
    start.member.take(&Fact::BlobHeld(hash));
    assert_eq!(start.member.order(&[&sent.message]), [0]);
}
