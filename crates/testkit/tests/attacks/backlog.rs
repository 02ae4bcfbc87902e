//! Thousands of contents that are missing at once: because a member was away, and because a stranger pins what is nowhere.

use photinus_engine::aggregation::fetches::Report;
use photinus_model::{
    Uuid,
    message::State,
    operation::{Operation, Status},
};
use photinus_query::{Condition, Query, collection::OPERATIONS};
use photinus_testkit::network::{Member, NAMESPACE, Network};

use crate::{
    aftermath::{Fate, confirmed, honest, survived},
    forge::{Letter, broadcast, junk, org, publish},
};

/// Fetches at the same time.
const BOUND: usize = 3;

fn report(member: &Member) -> Report {
    member.namespace().vitals().aggregation.fetches
}

/// Whether a member has decided all of these, in their order.
async fn has_decided(member: &Member, letters: &[Letter]) -> bool {
    let last = letters.last().unwrap();
    let found = member.store.read(NAMESPACE).message_with_hash(last.id(), last.hash()).await.unwrap();
    found.is_some_and(|message| message.state.is_some_and(State::is_final))
}

async fn told_on(member: &Member, topic: &str) -> Vec<Uuid> {
    let events = member.events_after(-1).await;
    let of_topic = |event: &&photinus_model::event::Event| event.topic == topic && event.correlator.is_none();
    events.iter().filter(of_topic).filter_map(|event| event.reference).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_away_fetches_thousands_a_few_at_a_time() {
    const HONEST: usize = 200;
    const JUNK: usize = 1_500;
    let mut network = Network::registered(2).await;
    let away = &mut network.members[1];
    away.stop().await;
    away.options.download.parallel = BOUND;
    away.storage.withhold_all();
    let letters: Vec<Letter> = (0..HONEST).map(|number| broadcast(&org(0), &["away"], number)).collect();
    for (number, letter) in letters.iter().enumerate() {
        // The stranger is there first, and more often.
        (0..JUNK * (number + 1) / HONEST - JUNK * number / HONEST)
            .for_each(|_| network.ledger.inject(junk(&["taken"], &photinus_model::cid::of(letter.id().as_bytes()))));
        network.ledger.inject(publish(&network, &org(0), &[letter]));
    }
    let there = &network.members[0];
    there.until("the other member to be done", |_| has_decided(there, &letters)).await;
    there.until("what is nowhere to be missing", |_| async { report(there).missing == JUNK }).await;
    network.members[1].storage.stall();
    network.members[1].start().await;
    let away = &network.members[1];
    // Everything is written down, and no more is begun than is allowed.
    away.until("all that is missing to be known", |_| async { report(away).missing == HONEST + JUNK }).await;
    away.until("as much as is allowed to be under way", |_| async { away.storage.under_way() == BOUND }).await;
    assert_eq!(report(away), Report { missing: HONEST + JUNK, sources: 2, under_way: BOUND, max_under_way: BOUND });
    assert!(away.namespace().vitals().faults.is_empty());
    let wait = away.namespace().blocked_topics(10).await.unwrap();
    let queued: Vec<_> = wait.iter().filter_map(|blocked| blocked.waits_for.as_ref()?.queued).collect();
    assert!(queued.iter().all(|queued| *queued == HONEST + JUNK), "{wait:?}");
    // It falls over, and what was under way is begun again.
    network.members[1].crash().await;
    network.members[1].start().await;
    let away = &network.members[1];
    away.until("as much as is allowed to be under way again", |_| async { away.storage.under_way() == BOUND }).await;
    assert_eq!(report(away).missing, HONEST + JUNK);
    away.storage.release_all();
    away.storage.answer();
    away.until("everything that is somewhere to be here", |_| has_decided(away, &letters)).await;
    assert_eq!(told_on(away, "away").await, told_on(&network.members[0], "away").await);
    away.until("nothing else to be missing", |_| async { report(away).missing == JUNK }).await;
    // What anybody sends now is not held up by what never comes.
    let now = honest(&network, 0, "away").await;
    let fates: Vec<Fate> = letters.iter().rev().take(3).map(confirmed).chain([now]).collect();
    survived(&mut network, &fates).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pin_of_a_missing_content_has_a_fetch_that_ends() {
    let network = Network::registered(2).await;
    let letter = broadcast(&org(0), &["t"], "twice");
    let pin = publish(&network, &org(0), &[&letter]);
    network.members.iter().for_each(|member| member.storage.withhold(&pin.payload_ref));
    network.ledger.inject(pin.clone());
    network.ledger.inject(pin.clone());
    for member in &network.members {
        member.until("both fetches to wait", |_| async { report(member).missing == 2 }).await;
    }
    network.members.iter().for_each(|member| member.storage.release(&pin.payload_ref));
    for member in &network.members {
        member.until("both fetches to end", |_| async { report(member).missing == 0 }).await;
        member
            .until("both operations to say so", |store| async move {
                let kind = OPERATIONS.field("type").unwrap();
                let query = Query::first(100).and(Condition::text(kind, "sharedstorage_download_batch"));
                let found = store.read(NAMESPACE).find::<Operation>(&query).await.unwrap().items;
                found.len() >= 2 && found.iter().all(|operation| operation.status == Status::Succeeded)
            })
            .await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_that_order_nothing_are_done_with_when_a_late_content_says_so() {
    let network = Network::registered(2).await;
    let letter = broadcast(&org(0), &["t"], "late");
    let mut pin = publish(&network, &org(0), &[&letter]);
    network.members.iter().for_each(|member| member.storage.withhold(&pin.payload_ref));
    pin.contexts.extend(["surplus", "more"].iter().map(photinus_model::Hash::of));
    network.ledger.inject(pin.clone());
    for member in &network.members {
        member
            .until("three open pins", |store| async move {
                store.read(NAMESPACE).undispatched_pins(-1, 10).await.unwrap().len() == 3
            })
            .await;
        member.storage.release(&pin.payload_ref);
        member
            .until("no open pin", |store| async move {
                store.read(NAMESPACE).undispatched_pins(-1, 10).await.unwrap().is_empty()
            })
            .await;
        assert!(member.namespace().blocked_topics(10).await.unwrap().is_empty(), "member {}", member.index);
    }
    network.stop().await;
}
