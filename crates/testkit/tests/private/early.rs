//! What comes ahead of its pin, or of its message: bounded, and thrown away when nothing comes for it.

use std::time::Duration;

use bytes::Bytes;
use photinus_engine::options::Early;
use photinus_model::{Hash, Uuid, batch::Batch};
use photinus_ports::{
    blobs::BlobStore,
    exchange::{ReceivedBlob, Refusal},
    stream,
};
use photinus_testkit::network::{Member, NAMESPACE, Network, peer};

use crate::{
    attacks::pair,
    forgery::{Forgery, inject, log, route},
    inputs::{all_confirmed, confirmed, decisions_on, message, until_final},
};

/// The first member begins anew with these bounds.
async fn bounded(network: &mut Network, early: Early) {
    let member = &mut network.members[0];
    member.stop().await;
    member.options.delivery.early = early;
    member.options.delivery.repair = Duration::from_millis(5);
    member.start().await;
}

/// Something happens on the ledger that concerns the first member in no way.
async fn stir(network: &Network) {
    confirmed(&network.members[2], message(&[2], "else", 1)).await;
}

/// Batches and files that wait for what they belong to, and how many were thrown away.
fn early(member: &Member) -> (usize, usize, u64) {
    let early = member.namespace().vitals().aggregation.early;
    (early.batches.count, early.files.count, early.expired)
}

async fn is_known(member: &Member, batch: &Batch) -> bool {
    let read = member.store.read(NAMESPACE);
    let message = &batch.payload.messages[0];
    let data = message.data[0];
    let found = [
        read.batch(batch.id).await.unwrap().is_some(),
        read.message(message.header.id).await.unwrap().is_some(),
        read.data_with_hash(data.id, data.hash).await.unwrap().is_some(),
    ];
    assert!(found.iter().all(|one| *one == found[0]), "all of it or nothing: {found:?}");
    found[0]
}

fn soon() -> Early {
    Early { expiry: Duration::from_millis(30), ..Early::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_never_pinned_is_thrown_away_and_asked_for_if_it_is() {
    let (mut network, group) = pair().await;
    let pinned = confirmed(&network.members[1], message(&[0, 1], "t", "pinned")).await;
    let member = &network.members[0];
    until_final(member, &[pinned.header.id]).await;
    member.until("what is pinned is not early", |_| async { early(member).0 == 0 }).await;
    let batch = Forgery { nonce: 1, ..Forgery::new(1, group) }.batch(&network.members[1], "never pinned").await;
    inject(&network, 1, 0, &batch).await.expect("it is taken");
    assert!(is_known(&network.members[0], &batch).await);
    assert_eq!(early(&network.members[0]), (1, 0, 0));
    bounded(&mut network, soon()).await;
    stir(&network).await;
    let member = &network.members[0];
    member.until("it is thrown away", |_| async { early(member) == (0, 0, 1) }).await;
    assert!(!is_known(member, &batch).await);
    // Its sender has it, and pins it after all.
    inject(&network, 1, 1, &batch).await.expect("its own node takes it");
    network.ledger.inject(log(&batch));
    let ids = [pinned.header.id, batch.payload.messages[0].header.id];
    until_final(member, &ids).await;
    assert_eq!(decisions_on(member, "t").await, all_confirmed(&ids));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_what_was_thrown_away_survives_a_crash() {
    let (mut network, group) = pair().await;
    let batch = Forgery::new(1, group).batch(&network.members[1], "late").await;
    inject(&network, 1, 0, &batch).await.expect("it is taken");
    network.members[0].crash().await;
    network.members[0].start().await;
    assert_eq!(early(&network.members[0]).0, 1, "the note was durable");
    bounded(&mut network, soon()).await;
    stir(&network).await;
    let member = &network.members[0];
    member.until("it is thrown away", |_| async { early(member) == (0, 0, 1) }).await;
    bounded(&mut network, Early::default()).await;
    inject(&network, 1, 1, &batch).await.expect("its own node takes it");
    network.ledger.inject(log(&batch));
    until_final(&network.members[0], &[batch.payload.messages[0].header.id]).await;
    let member = &network.members[0];
    member.until("nothing is early", |_| async { early(member).0 == 0 }).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_sends_no_more_ahead_than_it_may() {
    let (mut network, group) = pair().await;
    bounded(&mut network, Early { batches: 2, ..Early::default() }).await;
    let mut batches = Vec::new();
    for nonce in 0..3 {
        batches.push(Forgery { nonce, ..Forgery::new(1, group) }.batch(&network.members[1], "early").await);
    }
    for batch in &batches[..2] {
        inject(&network, 1, 0, batch).await.expect("there is room");
    }
    let answer = inject(&network, 1, 0, &batches[2]).await;
    assert!(matches!(&answer, Err(Refusal::Later(why)) if why.contains("ahead of its pin")), "{answer:?}");
    assert!(!is_known(&network.members[0], &batches[2]).await);
    // Once the ledger has it, it is taken.
    network.ledger.inject(log(&batches[2]));
    let member = &network.members[0];
    let wanted = batches[2].id;
    member
        .until(
            "the pin is here",
            |store| async move { !store.read(NAMESPACE).pins_of(wanted).await.unwrap().is_empty() },
        )
        .await;
    inject(&network, 1, 0, &batches[2]).await.expect("it is pinned");
    // And there is room again when the others are pinned.
    network.ledger.inject(log(&batches[0]));
    member.until("there is room", |_| async { early(member).0 == 1 }).await;
    let ids = [&batches[0]].map(|batch| batch.payload.messages[0].header.id);
    until_final(member, &ids).await;
    network.stop().await;
}

/// Sends a file as a peer does that has a valid certificate.
async fn file(network: &Network, data: Uuid, content: &'static [u8]) -> Result<(), Refusal> {
    let member = &network.members[0];
    let door = network.fabric.receiver(&peer(0)).unwrap();
    let path = format!("{NAMESPACE}/{data}");
    door.admit_blob(&route(1, 0), &path, content.len() as u64).await?;
    let stored = member.blobs.put(NAMESPACE, stream::once(Bytes::from_static(content)), 1 << 20).await.unwrap();
    let blob = ReceivedBlob {
        route: route(1, 0),
        path,
        hash: stored.hash,
        size: stored.size,
        payload_ref: stored.payload_ref,
    };
    door.blob(blob).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_message_names_are_few_and_thrown_away() {
    let (mut network, _) = pair().await;
    bounded(&mut network, Early { files: 2, files_size: 10, ..Early::default() }).await;
    file(&network, Uuid::from_u128(1), b"one").await.expect("there is room");
    let answer = file(&network, Uuid::from_u128(2), b"too large").await;
    assert!(matches!(&answer, Err(Refusal::Later(why)) if why.contains("ahead of the messages")), "{answer:?}");
    file(&network, Uuid::from_u128(2), b"two").await.expect("there is room");
    let answer = file(&network, Uuid::from_u128(3), b"3").await;
    assert!(matches!(answer, Err(Refusal::Later(_))), "{answer:?}");
    assert_eq!(early(&network.members[0]), (0, 2, 0));
    assert_eq!(network.members[0].blobs.len(), 2);
    bounded(&mut network, soon()).await;
    stir(&network).await;
    let member = &network.members[0];
    member.until("they are thrown away", |_| async { early(member) == (0, 0, 2) && member.blobs.is_empty() }).await;
    assert!(member.store.read(NAMESPACE).blobs_by_hash(Hash::of("one")).await.unwrap().is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pinned_while_it_was_not_seen_is_kept() {
    let (mut network, group) = pair().await;
    let batch = Forgery::new(1, group).batch(&network.members[1], "pinned late").await;
    inject(&network, 1, 0, &batch).await.expect("it is taken");
    // The pin is mined while the member is down for longer than it keeps what is not pinned.
    network.members[0].crash().await;
    network.ledger.inject(log(&batch));
    network.members[0].options.delivery.early = soon();
    network.members[0].start().await;
    let id = batch.payload.messages[0].header.id;
    until_final(&network.members[0], &[id]).await;
    let member = &network.members[0];
    member.until("nothing is early", |_| async { early(member) == (0, 0, 0) }).await;
    network.stop().await;
}

/// Of a group that is not known there is room for less, and only what is there now counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_yet_has_less_room() {
    let (network, _) = pair().await;
    let member = &network.members[0];
    let unheard_of = Hash::of("nobody told of it");
    let first = Forgery::new(1, unheard_of).batch(&network.members[1], "first").await;
    inject(&network, 1, 0, &first).await.expect("it is taken");
    for number in 1..1_000_u32 {
        let batch = Forgery::new(1, unheard_of).batch(&network.members[1], &number.to_string()).await;
        inject(&network, 1, 0, &batch).await.expect("there is room");
    }
    let more = Forgery::new(1, unheard_of).batch(&network.members[1], "more").await;
    let answer = inject(&network, 1, 0, &more).await;
    assert!(matches!(&answer, Err(Refusal::Later(why)) if why.contains("ahead of its pin")), "{answer:?}");
    network.ledger.inject(log(&first));
    member.until("one is early no longer", |_| async { early(member).0 == 999 }).await;
    inject(&network, 1, 0, &more).await.expect("there is room again");
    network.stop().await;
}
