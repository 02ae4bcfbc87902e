//! The invariants of the machine, on random histories.

use std::collections::{BTreeMap, BTreeSet};

use photinus_model::Hash;
use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Alarm, Decided, Decision, Verdict};
use photinus_sequencing::explain::State;
use photinus_sequencing::facts::{BatchKey, Fact, MessageKey, Order, Place};
use photinus_sequencing::rules::PrivateOrder;
use proptest::prelude::*;

use crate::member::Member;
use crate::network::{Network, context};
use crate::oracle::Oracle;
use crate::story::{self, Story, delivery, ops, secrets};

fn lost() -> impl Strategy<Value = Vec<bool>> {
    prop_oneof![Just(Vec::new()), proptest::collection::vec((0..6_u8).prop_map(|n| n == 0), 60),]
}

fn run(facts: &[Fact]) -> Member {
    run_in(PrivateOrder::Author, facts)
}

fn run_in(order: PrivateOrder, facts: &[Fact]) -> Member {
    let mut member = member_in(order);
    member.feed(facts);
    member
}

fn member_in(order: PrivateOrder) -> Member {
    let mut member = Member::default();
    member.rules.private_order = order;
    member
}

fn order() -> impl Strategy<Value = PrivateOrder> {
    prop_oneof![Just(PrivateOrder::Author), Just(PrivateOrder::Ledger)]
}

/// The messages decided in each context, in the order of decision.
fn by_context(member: &Member, story: &Story) -> BTreeMap<Hash, Vec<(MessageKey, Place)>> {
    let topics: BTreeMap<_, _> = story.messages().map(|message| (message.key, &message.topics)).collect();
    let mut contexts: BTreeMap<Hash, Vec<_>> = BTreeMap::new();
    for decided in member.decided() {
        for topic in topics[&decided.message] {
            contexts.entry(context(topic)).or_default().push((decided.message, decided.place));
        }
    }
    contexts
}

fn config() -> ProptestConfig {
    ProptestConfig { max_shrink_iters: 1_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Invariants 2, 3, 4 and 6: neither the order of arrival nor repetition changes a verdict or a place, and the
    /// verdicts are those of the oracle, in whatever order it decides.
    #[test]
    fn arrival_changes_nothing(ops in ops(24), one in delivery(), other in delivery(), lost in lost(), luck in any::<u64>()) {
        let story = story::write(&ops);
        let (one, other) = (run(&one.arrange(&story, &lost)), run(&other.arrange(&story, &lost)));
        let expected = Oracle::new(&one_of_each(&story, &lost)).decide(luck);
        prop_assert_eq!(one.verdicts(), expected);
        prop_assert_eq!(one.verdicts(), other.verdicts());
        for member in [&one, &other] {
            prop_assert_eq!(member.verdicts().len(), member.decided().count(), "a message was decided twice");
            for places in by_context(member, &story).values() {
                prop_assert!(places.is_sorted_by_key(|(_, place)| *place), "a context was decided out of order");
            }
        }
        prop_assert_eq!(by_context(&one, &story), by_context(&other, &story));
        let holders = |member: &Member| -> BTreeMap<String, String> {
            let peers = member.effects().filter_map(|effect| match effect {
                photinus_sequencing::decision::Effect::Peer { peer, node } => Some((peer.clone(), node.to_string())),
                _ => None,
            });
            peers.collect()
        };
        prop_assert_eq!(holders(&one), holders(&other));
        prop_assert_eq!(difference(&one, &other), [] as [String; 0]);
    }

    /// Invariant 5: small transactions, a small cache, crashes in the middle of a step, and repeated facts change
    /// nothing, not even the order of decisions.
    #[test]
    fn crashes_change_nothing(ops in ops(20), delivery in delivery(), lost in lost(),
                              crashes in proptest::collection::vec((any::<u16>(), 0..6_usize, 0..4_usize), 0..6),
                              small in 1..4_usize) {
        let story = story::write(&ops);
        let facts = delivery.arrange(&story, &lost);
        prop_assume!(!facts.is_empty());
        let straight = run(&facts);
        let mut member = Member::default();
        member.rules.decisions_per_step = small;
        member.rules.work_per_step = small * 2;
        let crash_at: BTreeMap<_, _> =
            crashes.iter().map(|(at, needs, back)| (usize::from(*at) % facts.len(), (*needs, *back))).collect();
        for (index, fact) in facts.iter().enumerate() {
            if let Some((needs, back)) = crash_at.get(&index) {
                member.die_in(fact, *needs);
                member.feed(&facts[index.saturating_sub(*back)..index]);
            }
            member.take(fact);
            member.rows.evict(10);
        }
        let sequence = |member: &Member| -> Vec<Decided> { member.decided().cloned().collect() };
        prop_assert_eq!(sequence(&member), sequence(&straight));
        prop_assert_eq!(difference(&member, &straight), [] as [String; 0]);
    }

    /// Invariant 1: what two members decide in a context agrees as far as both have got.
    #[test]
    fn members_agree(ops in ops(24), one in delivery(), other in delivery(), lost_here in lost(), lost_there in lost()) {
        let story = story::write(&ops);
        let (here, there) = (run(&one.arrange(&story, &lost_here)), run(&other.arrange(&story, &lost_there)));
        let (verdicts_here, verdicts_there) = (here.verdicts(), there.verdicts());
        for (message, verdict) in &verdicts_here {
            if let Some(other) = verdicts_there.get(message) {
                prop_assert_eq!(verdict, other);
            }
        }
        let both = |message: &MessageKey| {
            let held = |lost: &[bool]| {
                story.contents.iter().enumerate().filter(|(_, content)| content.messages.iter().any(|m| m.key == *message))
                    .all(|(index, _)| !lost.get(index).copied().unwrap_or(false))
            };
            held(&lost_here) && held(&lost_there)
        };
        let (here, there) = (by_context(&here, &story), by_context(&there, &story));
        for (context, list) in &here {
            let restrict = |list: &[(MessageKey, Place)]| -> Vec<MessageKey> {
                list.iter().map(|(message, _)| *message).filter(|message| both(message)).collect()
            };
            let (list, other) = (restrict(list), there.get(context).map(|other| restrict(other)).unwrap_or_default());
            let shorter = list.len().min(other.len());
            prop_assert_eq!(&list[..shorter], &other[..shorter]);
        }
    }

    /// Invariants 11 and 12: whatever is not decided has a reason that holds, and when everything that is missing
    /// arrives, only what waits for something that does not exist is left.
    #[test]
    fn whatever_waits_has_a_reason(ops in ops(24), delivery in delivery(), lost in lost()) {
        let story = story::write(&ops);
        let mut member = run(&delivery.arrange(&story, &lost));
        check_reasons(&mut member, &story, &delivered(&story, &lost))?;
        let rest: Vec<_> = story.unordered();
        member.feed(&rest);
        let all = delivered(&story, &[]);
        check_reasons(&mut member, &story, &all)?;
        prop_assert_eq!(member.verdicts(), Oracle::new(&one_of_each(&story, &[])).decide(1));
        for missing in member.missing(100) {
            prop_assert!(!all.batches.contains(&missing.batch));
        }
        // When every event without payload is given up, all that is left waits for an identity that does not exist.
        for missing in member.missing(100) {
            member.take(&Fact::Operator(Order::Abandon(missing.pos)));
        }
        prop_assert!(member.missing(100).is_empty());
        for message in story.messages() {
            let mut seen = BTreeSet::new();
            let mut at = message.key;
            while let Some(State::Waiting { reason, .. }) = member.state(&at) {
                prop_assert!(seen.insert(at), "a circle of waits at {:?}", at);
                match blocker(&member, &story, &reason) {
                    Some(next) => at = next,
                    None => {
                        let endless = matches!(reason, Reason::Registration(_) | Reason::Parent(_) | Reason::Owner(_)
                            | Reason::SignerHistory(_) | Reason::Below(..) | Reason::Interface(..));
                        prop_assert!(endless, "{:?}", reason);
                        break;
                    }
                }
            }
        }
    }

    /// Invariant 8: who is confirmed pinned the message, and owns the key or claims an identity.
    #[test]
    fn nobody_speaks_for_another(ops in ops(24), delivery in delivery()) {
        let story = story::write(&ops);
        let member = run(&delivery.arrange(&story, &[]));
        let mut keys = BTreeMap::new();
        for effect in member.effects() {
            if let photinus_sequencing::decision::Effect::Identity(identity) = effect
                && identity.base.kind != photinus_sequencing::facts::definition::IdentityKind::Node
            {
                let before = keys.insert(identity.key.clone(), identity.base.did.clone());
                prop_assert_eq!(before, None, "a key was registered twice");
            }
        }
        let dids: BTreeSet<_> = keys.values().collect();
        prop_assert_eq!(dids.len(), keys.len(), "an identity has two keys");
        for decided in member.decided().filter(|decided| decided.verdict == Verdict::Confirmed) {
            let event = story.events.iter().find(|event| event.pos == decided.place.pos).unwrap();
            let content = story.contents.iter().find(|content| content.batch == event.batch).unwrap();
            let message = content.messages.iter().find(|message| message.key == decided.message).unwrap();
            prop_assert_eq!(&event.signer, &content.key);
            prop_assert!(!message.kind.is_private());
            if !message.introduces_key() {
                prop_assert_eq!(keys.get(&content.key), Some(&content.author));
            }
        }
    }

    /// Invariants 10 and 13: pins without payload by a stranger change no verdict that is reached, and delay only
    /// what shares a context with them, or needs something that does.
    #[test]
    fn strangers_change_no_verdict(ops in ops(24), delivery in delivery(), lost in lost()) {
        let story = story::write(&ops);
        let mut clean = story.clone();
        let mut index = 0;
        clean.events.retain(|_| { index += 1; !story.junk.contains(&(index - 1)) });
        let (with, without) = (run(&delivery.arrange(&story, &lost)), run(&delivery.arrange(&clean, &lost)));
        let without = without.verdicts();
        for (message, verdict) in with.verdicts() {
            prop_assert_eq!(without.get(&message), Some(&verdict));
        }
    }

    /// A fork above every decision: taking the old branch back and taking the new one leaves no trace. (Of lanes it
    /// leaves the slots that the old branch made known. They order nothing.)
    #[test]
    fn a_fork_leaves_no_trace(plain in ops(20), private in secrets(20), is_private in any::<bool>(), other in ops(6),
                              delivery in delivery(), at in any::<u16>(), known in any::<u16>()) {
        let ops = if is_private { private } else { plain };
        let story = story::write(&ops);
        prop_assume!(!story.events.is_empty());
        let at = usize::from(at) % story.events.len();
        let known = usize::from(known) % (story.contents.len() + 1);
        let mut member = Member::default();
        // Some payloads are there, few enough that something stays undecided.
        let early: Vec<_> = story.unordered().into_iter().take(known).collect();
        member.feed(&early);
        member.feed(&story.ordered());
        let pos = story.events[at].pos;
        member.take(&Fact::Retracted(pos));
        if member.alarms().iter().any(|alarm| matches!(alarm, Alarm::RetractedDecision { .. })) {
            return Ok(());
        }
        // The new branch: the rest of the old one backwards, then something else.
        let mut branch = story.clone();
        branch.events.truncate(at);
        let base = pos.block;
        for (n, event) in story.events[at..].iter().rev().enumerate() {
            let mut event = photinus_sequencing::facts::Event::clone(event);
            event.pos.block = base + n as u64;
            branch.events.push(event.into());
        }
        let more = story::write_on(Network::after(9_000_000, base + 1_000), &other);
        branch.events.extend(more.events);
        branch.contents.extend(more.contents);
        branch.sources.extend(more.sources);
        branch.others.extend(more.others);
        member.feed(&branch.ordered()[at..]);
        member.feed(&branch.unordered());
        let mut straight = Member::default();
        straight.feed(&early);
        straight.feed(&delivery.arrange(&branch, &[]));
        prop_assert_eq!(member.verdicts(), straight.verdicts());
        if !is_private {
            prop_assert_eq!(difference(&member, &straight), [] as [String; 0]);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// Invariants 2 to 5 and 9 for private messages: neither the order of arrival nor crashes change a verdict, a place,
    /// or the order of a lane; open messages are decided as if there were no private ones.
    #[test]
    fn arrival_changes_nothing_in_private(ops in secrets(24), one in delivery(), other in delivery(), lost in lost(),
                                          small in 1..4_usize, crash in any::<u16>(), order in order()) {
        let story = story::write(&ops);
        let one = run_in(order, &one.arrange(&story, &lost));
        let facts = other.arrange(&story, &lost);
        let mut other = member_in(order);
        other.rules.work_per_step = small;
        for (index, fact) in facts.iter().enumerate() {
            if index == usize::from(crash) % facts.len() {
                other.die_in(fact, small);
                other.feed(&facts[index.saturating_sub(2)..index]);
            }
            other.take(fact);
            other.rows.evict(10);
        }
        prop_assert_eq!(difference(&one, &other), [] as [String; 0]);
        prop_assert_eq!(one.verdicts(), other.verdicts());
        prop_assert_eq!(lanes(&one, &story), lanes(&other, &story));
        if order == PrivateOrder::Ledger {
            let topics = by_group(&one, &story);
            prop_assert_eq!(&topics, &by_group(&other, &story));
            for places in topics.values() {
                prop_assert!(places.is_sorted_by_key(|(_, place)| place.pos), "a topic was decided out of order");
            }
        }
        let private: BTreeSet<_> = story.messages().filter(|message| message.kind.is_private()).map(|m| m.key).collect();
        let mut open = one.verdicts();
        open.retain(|message, _| !private.contains(message));
        let expected = Oracle::new(&one_of_each(&story, &lost)).decide(1);
        prop_assert_eq!(open, expected);
    }
}

/// The lowest messages of each topic of a group that one member decided and another did not are those of which it lacks the
/// payload, or which stand behind such a one.
fn restricted(list: &[(MessageKey, Place)], held: impl Fn(&MessageKey) -> bool) -> Vec<MessageKey> {
    list.iter().map(|(message, _)| *message).filter(|message| held(message)).collect()
}

proptest! {
    #![proptest_config(config())]

    /// Invariants 1 and 11 where there is one order across authors: members that hold different payloads decide the same in
    /// the same order as far as both have got, and whatever waits says for what.
    #[test]
    fn members_agree_in_private(ops in secrets(24), one in delivery(), other in delivery(), lost_here in lost(),
                                lost_there in lost()) {
        let story = story::write(&ops);
        let mut here = run_in(PrivateOrder::Ledger, &one.arrange(&story, &lost_here));
        let there = run_in(PrivateOrder::Ledger, &other.arrange(&story, &lost_there));
        let verdicts = there.verdicts();
        for (message, verdict) in here.verdicts() {
            prop_assert!(verdicts.get(&message).is_none_or(|other| *other == verdict));
        }
        let both = |message: &MessageKey| {
            let held = |lost: &[bool]| {
                story.contents.iter().enumerate().filter(|(_, content)| content.messages.iter().any(|m| m.key == *message))
                    .all(|(index, _)| !lost.get(index).copied().unwrap_or(false))
            };
            held(&lost_here) && held(&lost_there)
        };
        let theirs = by_group(&there, &story);
        for (topic, list) in by_group(&here, &story) {
            let list = restricted(&list, both);
            let other = theirs.get(&topic).map(|other| restricted(other, both)).unwrap_or_default();
            let shorter = list.len().min(other.len());
            prop_assert_eq!(&list[..shorter], &other[..shorter]);
        }
        let verdicts = here.verdicts();
        for message in story.messages().filter(|message| message.kind.is_private() && !verdicts.contains_key(&message.key)) {
            let state = here.state(&message.key);
            prop_assert!(!matches!(state, Some(State::Ready { .. })), "{:?} waits for nothing", message.key);
        }
    }

    /// Votes come to the same whatever arrived first, and what stood behind what they released goes on.
    #[test]
    fn votes_are_counted_alike(plain in ops(20), private in secrets(20), is_private in any::<bool>(), lost in lost(),
                               votes in proptest::collection::vec((any::<u16>(), 0..story::KEYS.len()), 1..16),
                               one in delivery(), other in delivery(), order in order()) {
        let mut story = story::write(if is_private { &private } else { &plain });
        prop_assume!(!story.events.is_empty());
        story.vote(&votes, &lost);
        let one = run_in(order, &one.arrange(&story, &lost));
        let other = run_in(order, &other.arrange(&story, &lost));
        prop_assert_eq!(one.verdicts(), other.verdicts());
        let released = |member: &Member| -> BTreeSet<Place> {
            member.decisions.iter().filter_map(|decision| match decision {
                Decision::Released { pos, .. } => Some(Place { pos: *pos, index: 0 }),
                _ => None,
            }).filter(|place| story.events.iter().any(|event| event.pos == place.pos && !event.masked())).collect()
        };
        // Of a private batch that claims slots which others have there may be nothing left to give up.
        prop_assert_eq!(released(&one), released(&other));
        prop_assert_eq!(lanes(&one, &story), lanes(&other, &story));
        if order == PrivateOrder::Ledger {
            prop_assert_eq!(by_group(&one, &story), by_group(&other, &story));
        }
        if !is_private {
            // How far up decisions reach: whoever had to wait has counted votes that were not needed.
            let differ = difference(&one, &other);
            prop_assert!(differ.iter().all(|row| row.contains(" [1] ")), "{:?}", differ);
        }
    }
}

/// The private messages decided on each topic of each group, in the order of decision.
fn by_group(member: &Member, story: &Story) -> BTreeMap<(Hash, String), Vec<(MessageKey, Place)>> {
    let messages: BTreeMap<_, _> = story.messages().map(|message| (message.key, message)).collect();
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for decided in member.decided() {
        let message = messages[&decided.message];
        let Some(group) = message.group.filter(|_| message.kind.is_private()) else { continue };
        for topic in &message.topics {
            topics.entry((group, topic.clone())).or_default().push((decided.message, decided.place));
        }
    }
    topics
}

/// The messages decided in each lane of which they had a slot, in the order of decision. Every message that was confirmed
/// has the next nonce of its lanes, counting those that were used without a word. One that lost its slot of a lane to another
/// message of its author has no place in that lane: it is rejected where it has one.
fn lanes(member: &Member, story: &Story) -> BTreeMap<(Hash, String, String), Vec<MessageKey>> {
    let mut lanes: BTreeMap<_, Vec<MessageKey>> = BTreeMap::new();
    for decided in member.decided() {
        let content = story.contents.iter().find(|content| content.batch == decided.batch).unwrap();
        let (base, message) = content.owners().find(|(_, message)| message.key == decided.message).unwrap();
        let Some(group) = message.group.filter(|_| message.kind.is_private()) else { continue };
        let used = |index: u32| {
            let mut own = decided.pins.iter().filter(|pins| pins.batch == decided.batch);
            own.any(|pins| (pins.first..pins.first + pins.count).contains(&index))
        };
        for (topic, index) in message.topics.iter().zip(base..) {
            if used(index) {
                lanes.entry((group, topic.clone(), content.author.to_string())).or_default().push(message.key);
            }
        }
    }
    lanes
}

/// The rows that only one of two members has, or has otherwise.
fn difference(one: &Member, other: &Member) -> Vec<String> {
    let rows = |member: &Member| -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        member.table.iter().map(|(key, bytes)| (key.to_vec(), bytes.to_vec())).collect()
    };
    let (one, other) = (rows(one), rows(other));
    one.symmetric_difference(&other)
        .map(|row| format!("{} {:?} {:?}", if one.contains(row) { "one" } else { "other" }, row.0, row.1))
        .collect()
}

/// Every fact that arrives, once.
fn one_of_each(story: &Story, lost: &[bool]) -> Vec<Fact> {
    let mut facts = story.ordered();
    let unordered = story.unordered().into_iter().enumerate();
    facts.extend(unordered.filter(|(index, _)| !lost.get(*index).copied().unwrap_or(false)).map(|(_, fact)| fact));
    facts
}

#[derive(Default)]
struct Delivered {
    batches: BTreeSet<BatchKey>,
    blobs: BTreeSet<Hash>,
    tokens: BTreeSet<MessageKey>,
}

fn delivered(story: &Story, lost: &[bool]) -> Delivered {
    let mut delivered = Delivered::default();
    for fact in one_of_each(story, lost) {
        match fact {
            Fact::Content(content, _) => {
                delivered.batches.insert(content.batch);
            }
            Fact::BlobHeld(hash) => {
                delivered.blobs.insert(hash);
            }
            Fact::TokenSeen(_, message) => {
                delivered.tokens.insert(message);
            }
            _ => {}
        }
    }
    delivered
}

/// Every undecided message that is anchored has a reason, and the reason is true.
fn check_reasons(member: &mut Member, story: &Story, delivered: &Delivered) -> Result<(), TestCaseError> {
    let verdicts = member.verdicts();
    let anchored: BTreeSet<_> =
        story.messages().filter(|message| !verdicts.contains_key(&message.key)).map(|message| message.key).collect();
    for message in anchored {
        let Some(state) = member.state(&message) else { continue };
        let State::Waiting { place, reason } = state else {
            return Err(TestCaseError::fail(format!("{message:?} is {state:?}")));
        };
        match &reason {
            Reason::Content(batch) => prop_assert!(!delivered.batches.contains(batch)),
            Reason::Blob(hash) => prop_assert!(!delivered.blobs.contains(hash)),
            Reason::Transfer(message) => prop_assert!(!delivered.tokens.contains(message)),
            Reason::Earlier(context, low) => {
                prop_assert!(*low < place);
                prop_assert_eq!(member.closed(context).map(|(head, _)| head), Some(*low));
            }
            Reason::Below(context, at) => {
                prop_assert!(*at <= place);
                prop_assert!(member.closed(context).is_some_and(|(head, _)| head < *at));
            }
            Reason::Registration(key) => {
                let registered = member.effects().any(|effect| {
                    matches!(effect, photinus_sequencing::decision::Effect::Identity(identity)
                        if identity.key == *key
                            && identity.base.kind != photinus_sequencing::facts::definition::IdentityKind::Node)
                });
                prop_assert!(!registered);
            }
            Reason::SignerHistory(_) | Reason::Parent(_) | Reason::Owner(_) | Reason::Interface(..) => {}
            other => prop_assert!(false, "{:?} should not occur", other),
        }
    }
    Ok(())
}

/// The message that owns the value which a reason names.
fn blocker(member: &Member, story: &Story, reason: &Reason) -> Option<MessageKey> {
    let Reason::Earlier(_, place) = reason else { return None };
    let event = story.events.iter().find(|event| event.pos == place.pos)?;
    let content = story.contents.iter().find(|content| content.batch == event.batch)?;
    let (_, message) = content.owner(place.index)?;
    (!member.verdicts().contains_key(&message.key)).then_some(message.key)
}
