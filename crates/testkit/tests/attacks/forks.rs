//! A ledger that takes back what nobody could decide yet: what was written of it is gone, whoever fell over meanwhile.

use std::{collections::BTreeSet, time::Duration};

use photinus_model::{blockchain_event::BlockchainEvent, pin::Pin};
use photinus_ports::blockchain::{PinEvent, Position};
use photinus_query::Query;
use photinus_testkit::network::{Member, NAMESPACE, Network};
use rand::Rng;

use crate::{
    aftermath::{confirmed, held_up, survived, waits},
    forge::{batch, broadcast, junk, log, org, publish},
};

/// Positions of everything that a member holds of the ledger.
async fn positions(member: &Member) -> BTreeSet<String> {
    let records = member.store.read(NAMESPACE).find::<BlockchainEvent>(&Query::first(1_000)).await.unwrap().items;
    let all: BTreeSet<String> = records.iter().map(|record| record.protocol_id.clone()).collect();
    assert_eq!(all.len(), records.len(), "member {}: a position is there twice", member.index);
    all
}

/// Batch and index of every pin that a member holds, and whether it is done with, in their order.
async fn pins(member: &Member) -> Vec<([u8; 16], i64, bool)> {
    let found = member.store.read(NAMESPACE).find::<Pin>(&Query::first(1_000)).await.unwrap().items;
    let mut found: Vec<_> =
        found.into_iter().map(|pin| (pin.sequence, *pin.batch.as_bytes(), pin.index, pin.dispatched)).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, batch, index, dispatched)| (batch, index, dispatched)).collect()
}

/// What a member that read the ledger once from its beginning would hold of it.
fn expected(ledger: &[PinEvent]) -> (BTreeSet<String>, Vec<([u8; 16], i64)>) {
    let (mut positions, mut pins) = (BTreeSet::new(), Vec::new());
    for (block, pin) in (1..).zip(ledger) {
        positions.insert(Position { block, transaction: 0, log: 0 }.protocol_id());
        let batch: [u8; 16] = pin.uuids[16..].try_into().unwrap();
        for index in 0..i64::try_from(pin.contexts.len()).unwrap() {
            if !pins.contains(&(batch, index)) {
                pins.push((batch, index));
            }
        }
    }
    (positions, pins)
}

async fn holds_the_ledger(network: &Network) {
    let (expected_positions, expected_pins) = expected(&network.ledger.pins());
    for member in &network.members {
        member
            .until("the records of the branch that stands", |_| async {
                let held: Vec<_> = pins(member).await.into_iter().map(|(batch, index, _)| (batch, index)).collect();
                positions(member).await == expected_positions && held == expected_pins
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_leaves_no_record() {
    let mut network = Network::registered(3).await;
    let base = network.ledger.pins().len() as u64;
    let stuck = junk(&["t", "u"], "nowhere");
    let (one, two) = (broadcast(&org(0), &["t"], "one"), broadcast(&org(1), &["t", "u"], "two"));
    let (first, second) = (publish(&network, &org(0), &[&one]), publish(&network, &org(1), &[&two]));
    for pin in [&stuck, &first, &second, &first] {
        network.ledger.inject(pin.clone());
    }
    held_up(&network, "t", "content").await;
    for letter in [&one, &two] {
        waits(&network, &confirmed(letter), "earlier").await;
    }
    holds_the_ledger(&network).await;
    // One member is off while it happens.
    network.members[2].crash().await;
    // The other branch has the last of them first, a copy of the one that stands above again, and nothing of the stranger.
    network.ledger.fork(base + 1, vec![second.clone(), first.clone(), second]);
    network.members[2].start().await;
    survived(&mut network, &[confirmed(&one), confirmed(&two)]).await;
    holds_the_ledger(&network).await;
    for member in &network.members {
        assert!(pins(member).await.iter().all(|(_, _, dispatched)| *dispatched), "member {}", member.index);
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_below_the_fork_keeps_the_pins_of_its_batch() {
    let mut network = Network::registered(2).await;
    let base = network.ledger.pins().len() as u64;
    let letter = broadcast(&org(0), &["t"], "late");
    let content = batch(&org(0), &[&letter]);
    let reference = network.storage.publish(content.to_text());
    network.members.iter().for_each(|member| member.storage.withhold(&reference));
    let pin = log(&content, &org(0).key, &reference);
    network.ledger.inject(pin.clone());
    network.ledger.inject(pin);
    network.ledger.inject(junk(&["t"], "nowhere"));
    holds_the_ledger(&network).await;
    network.ledger.fork(base + 2, Vec::new());
    holds_the_ledger(&network).await;
    network.members.iter().for_each(|member| member.storage.release(&reference));
    survived(&mut network, &[confirmed(&letter)]).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_fall_over_while_the_ledger_is_forked_hold_what_stands() {
    let mut network = Network::registered(2).await;
    let base = network.ledger.pins().len() as u64;
    let mut random = rand::rng();
    let letters: Vec<_> = (0..6).map(|number| broadcast(&org(0), &["t"], number)).collect();
    let pins: Vec<PinEvent> = letters.iter().map(|letter| publish(&network, &org(0), &[letter])).collect();
    network.ledger.inject(junk(&["t"], "nowhere"));
    for round in 0..8 {
        let mut branch = pins.clone();
        branch.rotate_left(round % 6);
        // What is on top of the content that nobody has is not decided, so that the ledger may take it back.
        branch.insert(0, junk(&["t"], "nowhere"));
        network.ledger.fork(base + 1 + u64::from(round % 2 == 1), branch);
        let moment = Duration::from_micros(random.random_range(0..15_000));
        // Where it falls over is left to chance; what must hold does not depend on it.
        assert!(tokio::time::timeout(moment, std::future::pending::<()>()).await.is_err(), "only time passes");
        network.members[1].crash().await;
        network.members[1].start().await;
    }
    network.ledger.fork(base + 1, pins);
    let fates: Vec<_> = letters.iter().map(confirmed).collect();
    survived(&mut network, &fates).await;
    holds_the_ledger(&network).await;
    network.stop().await;
}
