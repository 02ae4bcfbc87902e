//! Files that go with private messages.

use bytes::Bytes;
use photinus_engine::{data::Fields, options::PrivateOrder};
use photinus_model::{Hash, data::Data, message::State, operation};
use photinus_ports::{
    exchange::{ReceivedBlob, Refusal},
    ids::{Ids, Random},
    stream,
};
use photinus_testkit::network::{Member, NAMESPACE, Network, peer};
use serde_json::json;

use crate::{
    forgery::route,
    inputs::{confirmed, input, operations, registered, until_final, until_nothing_is_owed},
    places::{Database, Place},
};

const DEAL: &[u8] = b"the price is four thousand seven hundred and eleven";

async fn upload(member: &Member) -> Data {
    let content = stream::once(Bytes::from_static(DEAL));
    let received = member.namespace().receive_blob(Fields::default(), content).await.unwrap();
    member.namespace().keep_blob(received).await.unwrap()
}

async fn content(member: &Member, data: &Data) -> Bytes {
    let (_, _, content) = member.namespace().open_blob(data.id).await.unwrap();
    stream::collect(content, 1 << 20).await.unwrap()
}

fn with(data: &Data, tx_type: &str) -> photinus_model::message::Input {
    input(&json!({
        "header": { "topics": ["files"], "txtype": tx_type },
        "group": { "members": [{ "identity": "org_1" }] },
        "data": [{ "id": data.id }],
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_reaches_the_members_of_the_group_alone() {
    let network = registered(3).await;
    let [sender, reader, stranger] = &network.members[..] else { panic!("three members") };
    let data = upload(sender).await;
    let id = confirmed(sender, with(&data, "batch_pin")).await.header.id;
    until_final(reader, &[id]).await;
    assert_eq!(content(reader, &data).await, DEAL);
    assert!(stranger.blobs.is_empty());
    until_nothing_is_owed(sender).await;
    let sent = operations(sender, operation::Type::DataExchangeSendBlob).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].status, operation::Status::Succeeded);
    let sent: serde_json::Value = sent[0].input.as_ref().unwrap().read().unwrap();
    assert_eq!((&sent["data_id"], &sent["hash"]), (&json!(data.id), &json!(data.blob.unwrap().hash)));
    network.stop().await;
}

async fn waits_for_its_file(place: Place, tx_type: &str) {
    let network = place.network(2).await;
    let [sender, reader] = &network.members[..] else { panic!("two members") };
    network.fabric.faults(&peer(1), |faults| faults.blobs_down = true);
    let data = upload(sender).await;
    let id = confirmed(sender, with(&data, tx_type)).await.header.id;
    reader
        .until(
            "the message is there",
            |store| async move { store.read(NAMESPACE).message(id).await.unwrap().is_some() },
        )
        .await;
    let waiting = reader.store.read(NAMESPACE).message(id).await.unwrap().unwrap();
    assert_eq!(waiting.state, Some(State::Pending));
    // The transfer breaks off once in the middle.
    network.fabric.faults(&peer(1), |faults| {
        faults.blobs_down = false;
        faults.cut_blob = Some(7);
    });
    until_final(reader, &[id]).await;
    assert_eq!(content(reader, &data).await, DEAL);
    until_nothing_is_owed(sender).await;
    // The next message finds the file there.
    let again = confirmed(sender, with(&data, tx_type)).await.header.id;
    until_final(reader, &[again]).await;
    network.stop().await;
}

/// The author's delivery of the file is refused for good, and then the author is away: the third member sends it.
#[tokio::test(flavor = "multi_thread")]
async fn another_member_sends_a_file_that_was_lost() {
    let mut network = registered(3).await;
    network.members[1].stop().await;
    network.members[1].options.delivery.repair = std::time::Duration::from_millis(5);
    network.members[1].start().await;
    let data = upload(&network.members[0]).await;
    network.fabric.faults(&peer(1), |faults| faults.refuse_blobs = true);
    let mut input = with(&data, "batch_pin");
    input.group.as_mut().unwrap().members.push(serde_json::from_value(json!({ "identity": "org_2" })).unwrap());
    let id = confirmed(&network.members[0], input).await.header.id;
    until_final(&network.members[2], &[id]).await;
    until_nothing_is_owed(&network.members[0]).await;
    network.members[0].crash().await;
    network.fabric.faults(&peer(1), |faults| faults.refuse_blobs = false);
    until_final(&network.members[1], &[id]).await;
    assert_eq!(content(&network.members[1], &data).await, DEAL);
    network.stop().await;
}

everywhere!(a_message_waits_for_its_file_and_a_broken_transfer_goes_on);

async fn a_message_waits_for_its_file_and_a_broken_transfer_goes_on(place: Place) {
    waits_for_its_file(place, "batch_pin").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_a_pin_waits_for_its_file_too() {
    waits_for_its_file(Place { order: PrivateOrder::Author, database: Database::Sqlite }, "unpinned").await;
}

/// How much a node may send is how much of it is held: what is deleted makes room, and what comes twice takes none.
#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_node_that_were_deleted_make_room() {
    let mut network = registered(2).await;
    let limit = 2 * DEAL.len() as u64;
    network.members[1].stop().await;
    network.members[1].options.limits.blobs_per_peer = limit;
    network.members[1].start().await;
    let data = upload(&network.members[0]).await;
    let id = confirmed(&network.members[0], with(&data, "batch_pin")).await.header.id;
    until_final(&network.members[1], &[id]).await;
    let admitted = async |network: &Network, size: u64| {
        let door = network.fabric.receiver(&peer(1)).unwrap();
        let path = format!("{NAMESPACE}/{}", Random.next());
        let answer = door.admit_blob(&route(0, 1), &path, size).await;
        assert!(!matches!(answer, Err(Refusal::NotMine | Refusal::Later(_))), "{answer:?}");
        answer.is_ok()
    };
    let held = DEAL.len() as u64;
    assert!(admitted(&network, limit - held).await && !admitted(&network, limit - held + 1).await);
    // The same file comes once more, under the same reference.
    let reader = &network.members[1];
    let known = reader.store.read(NAMESPACE).blobs_by_hash(Hash::of(DEAL)).await.unwrap().remove(0);
    let again = ReceivedBlob {
        route: route(0, 1),
        path: format!("{NAMESPACE}/{}", data.id),
        hash: known.hash,
        size: held,
        payload_ref: known.payload_ref,
    };
    network.fabric.receiver(&peer(1)).unwrap().blob(again).await.expect("it is taken");
    assert!(admitted(&network, limit - held).await && !admitted(&network, limit - held + 1).await);
    reader.namespace().delete_data(data.id).await.expect("nothing needs it any longer");
    assert!(admitted(&network, limit).await && !admitted(&network, limit + 1).await);
    network.members[1].crash().await;
    network.members[1].start().await;
    assert!(admitted(&network, limit).await && !admitted(&network, limit + 1).await);
    network.stop().await;
}
