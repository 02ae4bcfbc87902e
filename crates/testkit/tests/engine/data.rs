//! Values and files, from an upload to another member.

use bytes::Bytes;
use photinus_engine::data::{Fields, PublishInput};
use photinus_model::{Hash, cid, data::Data, message::State};
use photinus_ports::stream::{self, ByteStream};
use photinus_testkit::network::{Member, NAMESPACE, Network};
use serde_json::json;

use crate::inputs::{confirmed, input, refusal, until_final};

const BILL: &[u8] = b"%PDF bill of lading";

async fn upload(member: &Member, fields: Fields, content: &'static [u8]) -> Data {
    let received = member.namespace().receive_blob(fields, stream::once(Bytes::from_static(content))).await.unwrap();
    member.namespace().keep_blob(received).await.unwrap()
}

fn autometa() -> Fields {
    Fields { autometa: true, filename: "bill.pdf".into(), mimetype: "application/pdf".into(), ..Fields::default() }
}

async fn content(member: &Member, id: photinus_model::Uuid) -> Bytes {
    let (_, size, content) = member.namespace().open_blob(id).await.unwrap();
    let content = stream::collect(content, 1 << 20).await.unwrap();
    assert_eq!(content.len() as u64, size);
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_reaches_the_other_member() {
    let network = Network::registered(2).await;
    let [sender, reader] = &network.members[..] else { unreachable!("two members were started") };
    let data = upload(sender, autometa(), BILL).await;
    let blob = data.blob.clone().unwrap();
    assert_eq!(
        (blob.hash, blob.size, blob.name.as_str(), blob.path.as_str()),
        (Some(Hash::of(BILL)), 19, "bill.pdf", "/")
    );
    let message = confirmed(sender, input(json!({ "data": [{ "id": data.id }, { "value": "see the file" }] }))).await;
    until_final(reader, &[message.header.id]).await;
    assert_eq!(content(reader, data.id).await, BILL);
    for member in &network.members {
        let held = member.store.read(NAMESPACE).data(data.id).await.unwrap().unwrap();
        assert_eq!(held.hash, data.hash);
        assert_eq!(held.blob.unwrap().public, cid::of(BILL));
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_not_the_fault_of_who_uploads() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    for (broken, kind) in [
        (std::io::Error::from_raw_os_error(28), photinus_engine::Kind::Unavailable),
        (std::io::Error::other("the form ends early"), photinus_engine::Kind::BadInput),
    ] {
        let content: ByteStream = Box::pin(futures::stream::iter([Ok(Bytes::from_static(BILL)), Err(broken)]));
        let refused = member.namespace().receive_blob(autometa(), content).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_its_file() {
    let network = Network::registered(2).await;
    let [sender, reader] = &network.members[..] else { unreachable!("two members were started") };
    reader.storage.withhold(&cid::of(BILL));
    let data = upload(sender, Fields::default(), BILL).await;
    let message = confirmed(sender, input(json!({ "data": [{ "id": data.id }] }))).await;
    reader
        .until("the message is there", |store| async move {
            store.read(NAMESPACE).message(message.header.id).await.unwrap().is_some()
        })
        .await;
    let waiting = reader.store.read(NAMESPACE).message(message.header.id).await.unwrap().unwrap();
    assert_eq!(waiting.state, Some(State::Pending));
    reader.storage.release_all();
    until_final(reader, &[message.header.id]).await;
    assert_eq!(content(reader, data.id).await, BILL);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_fail_leave_nothing() {
    let mut network = Network::start(1).await;
    let member = &mut network.members[0];
    member.stop().await;
    member.options.limits.blob_size = 100;
    member.start().await;
    let namespace = member.namespace();
    let large = stream::once(Bytes::from(vec![0; 101]));
    assert!(refusal(namespace.receive_blob(Fields::default(), large).await).starts_with("FF00161"));
    let broken: ByteStream = Box::pin(futures::stream::iter([
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "gone")),
    ]));
    assert!(refusal(namespace.receive_blob(Fields::default(), broken).await).starts_with("FF00161"));
    let wrong = Fields { validator: "magic".into(), ..Fields::default() };
    assert!(refusal(namespace.receive_blob(wrong, stream::once(Bytes::new())).await).starts_with("FF00108"));
    let unknown = Fields { datatype_name: "nope".into(), ..Fields::default() };
    assert!(refusal(namespace.receive_blob(unknown, stream::once(Bytes::new())).await).starts_with("FF10195"));
    let unwanted = namespace.receive_blob(Fields::default(), stream::once(Bytes::from_static(b"x"))).await.unwrap();
    namespace.discard_blob(unwanted).await;
    assert!(member.blobs.is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_files_are_published_once_per_key() {
    let network = Network::start(1).await;
    let member = &network.members[0];
    let namespace = member.namespace();
    let data = namespace.create_data(serde_json::from_str(r#"{"value":{"later":true}}"#).unwrap()).await.unwrap();
    let keyed = || PublishInput { idempotency_key: Some("k".into()) };
    let published = namespace.publish_value(data.id, keyed()).await.unwrap();
    assert_eq!(published.public, cid::of(br#"{"later":true}"#));
    let text = refusal(namespace.publish_value(data.id, keyed()).await);
    assert!(text.starts_with("FF10431"), "{text}");
    assert!(refusal(namespace.publish_blob(data.id, PublishInput::default()).await).starts_with("FF10241"));
    let file = upload(member, autometa(), BILL).await;
    let published = namespace.publish_blob(file.id, PublishInput::default()).await.unwrap();
    assert_eq!(published.blob.unwrap().public, cid::of(BILL));
    let unknown = photinus_model::Uuid::nil();
    assert!(refusal(namespace.publish_value(unknown, PublishInput::default()).await).starts_with("FF00164"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_deleted_unless_it_is_on_its_way() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let namespace = member.namespace();
    let file = upload(member, autometa(), BILL).await;
    network.ledger.hold();
    let sent = namespace.broadcast(input(json!({ "data": [{ "id": file.id }] })), None).await.unwrap();
    assert!(refusal(namespace.delete_data(file.id).await).starts_with("FF10143"));
    network.ledger.release();
    until_final(member, &[sent.header.id]).await;
    let same = json!({ "value": { "name": "copy" }, "blob": { "hash": Hash::of(BILL) } }).to_string();
    let same = namespace.create_data(serde_json::from_str(&same).unwrap()).await.unwrap();
    namespace.delete_data(file.id).await.unwrap();
    assert_eq!(content(member, same.id).await, BILL);
    namespace.delete_data(same.id).await.unwrap();
    assert!(member.blobs.is_empty());
    assert!(refusal(namespace.open_blob(file.id).await.map(|_| ())).starts_with("FF00164"));
    assert!(refusal(namespace.delete_data(file.id).await).starts_with("FF10143"));
    network.stop().await;
}
