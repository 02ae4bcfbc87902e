//! Operations and transactions tell what this node did, and can be repeated by hand.

use photinus_engine::data::PublishInput;
use photinus_model::{
    Uuid,
    operation::{Operation, Status, Type},
};
use photinus_testkit::network::{Member, NAMESPACE, Network};

use crate::inputs::{confirmed, message, refusal, sent, until_final};

async fn until_status(member: &Member, tx: Uuid, status: Status) {
    member
        .until("the transaction has that status", |_| {
            let namespace = member.namespace().clone();
            async move { namespace.transaction_status(tx).await.unwrap().status == status }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_batch_is_a_transaction_that_succeeded() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let message = confirmed(member, message("t", 1)).await;
    let tx = message.tx_id.unwrap();
    until_status(member, tx, Status::Succeeded).await;
    let read = member.store.read(NAMESPACE);
    let operations = read.operations_of(tx).await.unwrap();
    let kinds: Vec<_> = operations.iter().map(|operation| operation.kind).collect();
    assert!(kinds.contains(&Type::SharedStorageUploadBatch) && kinds.contains(&Type::BlockchainPinBatch), "{kinds:?}");
    let pin = operations.iter().find(|operation| operation.kind == Type::BlockchainPinBatch).unwrap();
    let reference = network.ledger.pins().last().unwrap().payload_ref.clone();
    assert!(pin.input.as_ref().unwrap().as_str().contains(reference.as_str()));
    assert!(pin.output.as_ref().unwrap().as_str().contains("TransactionSuccess"));
    let transaction = read.transaction(tx).await.unwrap().unwrap();
    assert_eq!(transaction.blockchain_ids.len(), 1);
    let (_, detail) = member.namespace().operation_detail(pin.id).await.unwrap();
    assert!(detail.is_some());
    let details = member.namespace().transaction_status(tx).await.unwrap().details;
    assert_eq!(details.len(), 4, "{details:?}");
    assert!(refusal(member.namespace().transaction_status(Uuid::nil()).await).starts_with("FF10109"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_is_repeated_by_hand() {
    let network = Network::start(1).await;
    let member = &network.members[0];
    let namespace = member.namespace();
    let data = namespace.create_data(serde_json::from_str(r#"{"value":1}"#).unwrap()).await.unwrap();
    member.storage.fail_uploads(Some("disk full"));
    assert!(refusal(namespace.publish_value(data.id, PublishInput::default()).await).starts_with("FF10136"));
    let query = photinus_query::Query::first(1);
    let first = member.store.read(NAMESPACE).find::<Operation>(&query).await.unwrap().items.remove(0);
    until_status(member, first.tx.unwrap(), Status::Failed).await;
    assert!(refusal(namespace.retry_operation(first.id).await).starts_with("FF10111"));
    until_status(member, first.tx.unwrap(), Status::Failed).await;
    member.storage.fail_uploads(None);
    let copy = namespace.retry_operation(first.id).await.unwrap();
    assert_ne!(copy.id, first.id);
    assert_eq!(copy.status, Status::Initialized);
    until_status(member, first.tx.unwrap(), Status::Succeeded).await;
    let published = member.store.read(NAMESPACE).data(data.id).await.unwrap().unwrap();
    assert!(!published.public.is_empty());
    assert!(refusal(namespace.retry_operation(Uuid::nil()).await).starts_with("FF00164"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeating_a_pin_that_succeeded_confirms_nothing_twice() {
    let network = Network::registered(2).await;
    let member = &network.members[0];
    let message = confirmed(member, message("t", 1)).await;
    let tx = message.tx_id.unwrap();
    let operations = member.store.read(NAMESPACE).operations_of(tx).await.unwrap();
    let pin = operations.iter().find(|operation| operation.kind == Type::BlockchainPinBatch).unwrap();
    let before = network.ledger.pins().len();
    member.namespace().retry_operation(pin.id).await.unwrap();
    assert_eq!(network.ledger.pins().len(), before + 1);
    let pins = network.ledger.pins();
    let (first, again) = (&pins[before - 1], &pins[before]);
    assert_eq!(
        (first.uuids, first.batch_hash, &first.payload_ref),
        (again.uuids, again.batch_hash, &again.payload_ref)
    );
    let after = sent(&network.members[0], crate::inputs::message("t", 2)).await;
    for member in &network.members {
        until_final(member, &[message.header.id, after]).await;
        assert_eq!(crate::inputs::decisions_on(member, "t").await.len(), 2);
    }
    network.stop().await;
}
