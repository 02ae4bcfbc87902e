//! Every change, read back whole.

use photinus_model::{
    Hash, batch,
    message::{Message, State},
    namespace::Namespace,
    operation::{Status, Type},
};
use photinus_query::Query;
use photinus_store::{Change, change};

use crate::{
    backends::{NS, Place, commit},
    on_both, records,
    records::{hash, id, json, time},
};

on_both! {
    async fn messages_come_back_as_they_went(place: Place) {
        let store = place.open().await;
        let mut odd = records::message(2);
        odd.header.topics = vec!["a,b".to_owned(), String::new()];
        odd.header.author = "nul\0 and \u{1}\u{2}".to_owned();
        odd.header.kind = "invented".into();
        (odd.header.created, odd.header.cid, odd.header.group, odd.header.data_hash) = (None, None, None, None);
        (odd.header.tx_parent, odd.data, odd.pins, odd.state) = (None, Vec::new(), Vec::new(), None);
        let mut zero = records::message(3);
        zero.header.created = Some(photinus_model::Time::ZERO);
        zero.header.topics = vec![String::new()];
        zero.data.push(zero.data[0]);
        let sent = [records::message(1), odd, zero];
        commit(&store, sent.iter().cloned().map(Change::InsertMessage)).await.unwrap();
        for message in &sent {
            assert_eq!(store.read(NS).message(message.header.id).await.unwrap().as_ref(), Some(message));
        }
        let ids = [id(3), id(9), id(1)];
        let found = store.read(NS).messages_by_ids(&ids).await.unwrap();
        assert_eq!(found, [sent[0].clone(), sent[2].clone()]);
        store.close().await;
    }

    async fn a_message_changes_step_by_step(place: Place) {
        let store = place.open().await;
        let ready = change::Message { id: id(1), from: vec![State::Ready], ..Default::default() };
        let sent = change::Message { state: Some(State::Sent), batch: Some(id(2)), tx: Some(id(3)), ..ready.clone() };
        let done = change::Message {
            id: id(1),
            hash: Some(hash(1)),
            state: Some(State::Rejected),
            confirmed: Some(time(9)),
            reject_reason: Some("no".to_owned()),
            pins: Some(vec!["p".to_owned()]),
            ..Default::default()
        };
        let other = change::Message { hash: Some(hash(7)), reject_reason: Some("not this".to_owned()), ..done.clone() };
        commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
        commit(&store, [Change::UpdateMessage(sent)]).await.unwrap();
        commit(&store, [Change::UpdateMessage(done), Change::UpdateMessage(other)]).await.unwrap();
        let found = store.read(NS).message(id(1)).await.unwrap().unwrap();
        let mut expected = records::message(1);
        (expected.batch, expected.tx_id, expected.state) = (Some(id(2)), Some(id(3)), Some(State::Rejected));
        (expected.confirmed, expected.reject_reason) = (Some(time(9)), "no".to_owned());
        expected.pins = vec!["p".to_owned()];
        assert_eq!(found, expected);
        assert_eq!(store.read(NS).messages_of_batch(id(2)).await.unwrap(), [expected]);
        store.close().await;
    }

    async fn content_is_kept_by_id_and_hash(place: Place) {
        let store = place.open().await;
        let mut forged = records::message(1);
        (forged.hash, forged.header.tag) = (Some(hash(66)), "forged".to_owned());
        let real = records::message(1);
        let mut fake = records::data(5);
        (fake.hash, fake.value) = (Some(hash(67)), None);
        let keep = |message: &_| Change::KeepMessage(Clone::clone(message));
        let changes = [keep(&forged), keep(&real), keep(&real), keep(&forged)];
        commit(&store, changes).await.unwrap();
        commit(&store, [keep(&real), Change::InsertData(fake), Change::InsertData(records::data(5))]).await.unwrap();
        commit(&store, [Change::InsertData(records::data(5))]).await.unwrap();
        let read = store.read(NS);
        assert_eq!(read.messages_by_ids(&[id(1)]).await.unwrap().len(), 2);
        assert_eq!(read.message(id(1)).await.unwrap(), Some(forged));
        let confirm =
            change::Message { id: id(1), hash: Some(hash(1)), confirmed: Some(time(1)), ..Default::default() };
        commit(&store, [Change::UpdateMessage(confirm)]).await.unwrap();
        assert_eq!(read.message(id(1)).await.unwrap().unwrap().hash, Some(hash(1)));
        assert_eq!(read.message_with_hash(id(1), hash(66)).await.unwrap().unwrap().header.tag, "forged");
        assert_eq!(read.data_by_ids(&[id(5)]).await.unwrap().len(), 2);
        assert_eq!(read.data_with_hash(id(5), hash(5)).await.unwrap(), Some(records::data(5)));
        assert_eq!(read.data_with_hash(id(5), hash(6)).await.unwrap(), None);
        store.close().await;
    }

    async fn data_and_blobs(place: Place) {
        let store = place.open().await;
        let mut plain = records::data(2);
        (plain.blob, plain.datatype, plain.value, plain.created) = (None, None, None, None);
        commit(&store, [
            Change::InsertData(records::data(1)),
            Change::InsertData(plain.clone()),
            Change::InsertBlob(records::blob(1)),
            Change::InsertBlob(records::blob(1)),
            Change::InsertBlob(records::blob(2)),
        ]).await.unwrap();
        let read = store.read(NS);
        assert_eq!(read.data(id(1)).await.unwrap(), Some(records::data(1)));
        assert_eq!(read.data(id(2)).await.unwrap(), Some(plain));
        assert_eq!(read.blobs_by_hash(hash(5)).await.unwrap(), [records::blob(1), records::blob(2)]);
        commit(&store, [
            Change::UpdateData(change::Data { id: id(1), blob_public: Some("Qm".to_owned()), ..Default::default() }),
            Change::UpdateData(change::Data { id: id(1), public: Some("Qn".to_owned()), ..Default::default() }),
            Change::DeleteData(id(2)),
            Change::DeleteBlob { hash: hash(5), payload_ref: "ref/1".to_owned() },
        ]).await.unwrap();
        let mut published = records::data(1);
        published.public = "Qn".to_owned();
        published.blob.as_mut().unwrap().public = "Qm".to_owned();
        assert_eq!(read.data(id(1)).await.unwrap(), Some(published));
        assert_eq!(read.data(id(2)).await.unwrap(), None);
        assert_eq!(read.blobs_by_hash(hash(5)).await.unwrap(), [records::blob(2)]);
        store.close().await;
    }

    async fn received_content_goes_by_id_and_hash(place: Place) {
        let store = place.open().await;
        let other = Message { hash: Some(hash(9)), idempotency_key: None, ..records::message(1) };
        let first = Message { idempotency_key: None, ..records::message(1) };
        let of_other = photinus_model::data::Data { hash: Some(hash(9)), ..records::data(1) };
        let batch = batch::Record { hash: Some(hash(9)), ..records::batch(1) };
        commit(&store, [
            Change::KeepMessage(first.clone()),
            Change::KeepMessage(other.clone()),
            Change::InsertData(records::data(1)),
            Change::InsertData(of_other.clone()),
            Change::InsertBatch(records::batch(1)),
            Change::InsertBatch(batch.clone()),
        ]).await.unwrap();
        let gone = |hash| [
            Change::DeleteMessage { id: id(1), hash },
            Change::DropData { id: id(1), hash },
            Change::DeleteBatch { id: id(1), hash },
        ];
        commit(&store, gone(hash(77))).await.unwrap();
        commit(&store, gone(hash(9))).await.unwrap();
        let read = store.read(NS);
        assert_eq!(read.message_with_hash(id(1), hash(9)).await.unwrap(), None);
        assert_eq!(read.message_with_hash(id(1), hash(1)).await.unwrap(), Some(first.clone()));
        assert_eq!(read.data_with_hash(id(1), hash(9)).await.unwrap(), None);
        assert_eq!(read.data(id(1)).await.unwrap(), Some(records::data(1)));
        assert_eq!(read.batch_with_hash(id(1), hash(9)).await.unwrap(), None);
        assert_eq!(read.batch(id(1)).await.unwrap(), Some(records::batch(1)));
        let data = first.data[0].id;
        let users = read.messages_of_data(data, &Query::first(9)).await.unwrap().items;
        assert_eq!(users, std::slice::from_ref(&first));
        // What went may come again.
        commit(&store, [Change::KeepMessage(other.clone()), Change::InsertData(of_other), Change::InsertBatch(batch)]).await.unwrap();
        let users = read.messages_of_data(data, &Query::first(9)).await.unwrap().items;
        assert_eq!(users.len(), 2);
        store.close().await;
    }

    async fn batches_transactions_and_operations(place: Place) {
        let store = place.open().await;
        let update = |status, error: &str, retry| Change::UpdateOperation(change::Operation {
            id: id(3),
            status,
            input: None,
            output: Some(json(r#"{"out":1}"#)),
            error: error.to_owned(),
            updated: time(20),
            retry,
        });
        commit(&store, [
            Change::InsertBatch(records::batch(1)),
            Change::InsertBatch(records::batch(1)),
            Change::InsertTransaction(records::transaction(2)),
            Change::InsertOperation(records::operation(3)),
            update(Status::Pending, "", None),
        ]).await.unwrap();
        let (confirmed, hash1) = (time(30), hash(1));
        commit(&store, [
            Change::ConfirmBatch { id: id(1), hash: hash1, confirmed },
            Change::ConfirmBatch { id: id(1), hash: hash1, confirmed: time(31) },
            Change::AddBlockchainIds { tx: id(2), ids: vec!["0xCC".to_owned(), "0xbb".to_owned()] },
            Change::AddBlockchainIds { tx: id(99), ids: vec!["0xdd".to_owned()] },
            Change::KeepTransaction(records::transaction(2)),
            Change::KeepTransaction(records::transaction(4)),
            update(Status::Failed, "broken", None),
            update(Status::Pending, "late", Some(id(5))),
        ]).await.unwrap();
        let read = store.read(NS);
        let mut batch = records::batch(1);
        batch.confirmed = Some(confirmed);
        assert_eq!(read.batch(id(1)).await.unwrap(), Some(batch.clone()));
        assert_eq!(read.batch_with_hash(id(1), hash1).await.unwrap(), Some(batch.clone()));
        assert_eq!(read.batch_of(id(2)).await.unwrap(), Some(batch));
        let mut transaction = records::transaction(2);
        transaction.blockchain_ids = ["0xaa", "0xbb", "0xcc"].map(str::to_owned).to_vec();
        assert_eq!(read.transaction(id(2)).await.unwrap(), Some(transaction));
        assert_eq!(read.transaction(id(4)).await.unwrap(), Some(records::transaction(4)));
        let mut operation = records::operation(3);
        (operation.status, operation.error) = (Status::Failed, "broken".to_owned());
        (operation.output, operation.updated) = (Some(json(r#"{"out":1}"#)), time(20));
        operation.retry = Some(id(5));
        assert_eq!(read.operation(id(3)).await.unwrap(), Some(operation.clone()));
        assert_eq!(read.operations_of(id(7)).await.unwrap(), [operation]);
        assert!(read.unfinished_operations().await.unwrap().is_empty());
        let mut download = records::operation(8);
        (download.kind, download.status) = (Type::SharedStorageDownloadBatch, Status::Pending);
        let mut upload = records::operation(9);
        (upload.kind, upload.status) = (Type::SharedStorageUploadBatch, Status::Initialized);
        commit(&store, [download, upload].map(Change::InsertOperation)).await.unwrap();
        assert_eq!(read.unfinished_operations().await.unwrap().len(), 2);
        let work = read.unfinished_work().await.unwrap();
        assert_eq!(work.iter().map(|operation| operation.id).collect::<Vec<_>>(), [id(9)]);
        store.close().await;
    }

    async fn ledger_events_and_pins(place: Place) {
        let store = place.open().await;
        let mut heard = records::blockchain_event(1);
        (heard.id, heard.listener, heard.tx.id) = (id(2), Some(id(50)), None);
        let insert = |record: &_, event| Change::InsertBlockchainEvent { record: Clone::clone(record), event };
        let mut again = records::blockchain_event(1);
        again.id = id(3);
        let first = records::blockchain_event(1);
        let committed = commit(&store, [
            insert(&first, Some(records::event(100))),
            insert(&again, Some(records::event(101))),
            insert(&heard, None),
            Change::InsertPins(vec![records::pin(1, 0), records::pin(1, 1), records::pin(2, 0), records::pin(1, 0)]),
        ]).await.unwrap();
        assert_eq!(committed.events.iter().map(|event| event.id).collect::<Vec<_>>(), [id(100)]);
        let again = commit(&store, [
            insert(&again, Some(records::event(102))),
            Change::InsertPins(vec![records::pin(1, 1), records::pin(1, 2)]),
        ]).await.unwrap();
        assert_eq!(again.events, []);
        let read = store.read(NS);
        assert_eq!(read.blockchain_event(id(1)).await.unwrap(), Some(first.clone()));
        assert_eq!(read.blockchain_event(id(2)).await.unwrap(), Some(heard));
        assert_eq!(read.blockchain_event(id(3)).await.unwrap(), None);
        assert_eq!(read.blockchain_events_of(id(7)).await.unwrap(), [first]);
        let places = |pins: Vec<photinus_model::pin::Pin>| -> Vec<_> {
            assert!(pins.is_sorted_by(|one, other| one.sequence < other.sequence));
            pins.into_iter().map(|pin| (pin.batch, pin.index)).collect()
        };
        let all = [(id(1), 0), (id(1), 1), (id(2), 0), (id(1), 2)];
        assert_eq!(places(read.undispatched_pins(0, 10).await.unwrap()), all);
        let mark = |batch: u128, hash: Hash, indexes: &[i64]| {
            Change::MarkPinsDispatched(change::Dispatched { batch: id(batch), batch_hash: hash, indexes: indexes.to_vec() })
        };
        commit(&store, [mark(1, hash(1), &[0, 2, 7]), mark(2, hash(1), &[0])]).await.unwrap();
        assert_eq!(places(read.undispatched_pins(0, 10).await.unwrap()), [(id(1), 1), (id(2), 0)]);
        let pins = read.pins_of(id(1)).await.unwrap();
        let mut expected = records::pin(1, 2);
        (expected.sequence, expected.dispatched) = (pins[2].sequence, true);
        assert_eq!(pins[2], expected);
        store.close().await;
    }

    async fn what_the_ledger_withdrew_goes_and_may_come_again(place: Place) {
        let store = place.open().await;
        let mut heard = records::blockchain_event(1);
        (heard.id, heard.listener) = (id(2), Some(id(50)));
        let insert = |record: &_, event| Change::InsertBlockchainEvent { record: Clone::clone(record), event };
        let first = records::blockchain_event(1);
        commit(&store, [
            insert(&first, Some(records::event(100))),
            insert(&heard, None),
            Change::InsertPins(vec![records::pin(1, 0), records::pin(1, 1), records::pin(2, 0)]),
        ]).await.unwrap();
        let read = store.read(NS);
        let before = read.pins_of(id(1)).await.unwrap();
        let other = read.pins_of(id(2)).await.unwrap();
        let mut again = records::blockchain_event(1);
        again.id = id(3);
        let mut watched = store.watch(NS);
        let withdraw = || Change::DeleteBlockchainEvent { protocol_id: first.protocol_id.clone() };
        let sequences = vec![before[0].sequence, before[1].sequence, other[0].sequence];
        let committed = commit(&store, [
            withdraw(),
            Change::DeleteBlockchainEvent { protocol_id: "nowhere".to_owned() },
            Change::DeletePins { batch: id(1), sequences },
            Change::DeletePins { batch: id(9), sequences: vec![1, 2, 3] },
            insert(&again, Some(records::event(101))),
            Change::InsertPins(vec![records::pin(1, 1)]),
        ]).await.unwrap();
        assert_eq!(committed.events.iter().map(|event| event.id).collect::<Vec<_>>(), [id(101)]);
        assert_eq!(read.blockchain_event(id(1)).await.unwrap(), None);
        assert_eq!(read.blockchain_event(id(2)).await.unwrap(), Some(heard));
        assert_eq!(read.blockchain_event(id(3)).await.unwrap(), Some(again));
        let after = read.pins_of(id(1)).await.unwrap();
        assert_eq!((after.len(), after[0].index), (1, 1));
        assert!(after[0].sequence > other[0].sequence, "what comes again stands behind what was there");
        assert_eq!(read.pins_of(id(2)).await.unwrap(), other, "a pin of another batch stays");
        assert!(read.event(id(100)).await.unwrap().is_some(), "what was told was told");
        let noted = watched.next().await.unwrap().unwrap();
        assert!(noted.iter().any(|one| one.what == photinus_store::Happened::Deleted && one.id == Some(id(1))));
        // Nothing is there that could go a second time.
        commit(&store, [withdraw(), withdraw()]).await.unwrap();
        assert_eq!(read.blockchain_event(id(3)).await.unwrap(), None);
        store.close().await;
    }

    async fn who_is_who(place: Place) {
        let store = place.open().await;
        let mut twin = records::identity(2);
        twin.id = id(1);
        // Longer than an index of a database takes, and like any key of a stranger's claim.
        let long = "0x".repeat(5_000);
        commit(&store, [
            Change::UpsertIdentity(records::identity(1)),
            Change::UpsertIdentity(twin.clone()),
            Change::UpsertVerifier(records::verifier("0x01")),
            Change::UpsertVerifier(records::verifier(&long)),
            Change::InsertDatatype(records::datatype(1)),
            Change::UpsertGroup(records::group(1)),
            Change::UpsertNextPins(vec![records::nextpin("a"), records::nextpin("b")]),
        ]).await.unwrap();
        let mut changed = records::identity(1);
        (changed.description, changed.profile, changed.parent) = ("other".to_owned(), None, None);
        let mut moved = records::verifier("0x01");
        moved.identity = Some(id(77));
        let mut late = records::datatype(1);
        late.id = Some(id(78));
        let mut next = records::nextpin("a");
        next.nonce = 3;
        let mut group = records::group(1);
        group.message = None;
        commit(&store, [
            Change::UpsertIdentity(changed.clone()),
            Change::UpsertVerifier(moved.clone()),
            Change::InsertDatatype(late),
            Change::UpsertGroup(group.clone()),
            Change::UpsertNextPins(vec![next.clone()]),
        ]).await.unwrap();
        let read = store.read(NS);
        assert_eq!(read.identity(id(1)).await.unwrap(), Some(changed.clone()));
        assert_eq!(read.identity_by_did(&changed.did).await.unwrap(), Some(changed.clone()));
        assert_eq!(read.identity_by_did(&twin.did).await.unwrap(), Some(twin));
        assert_eq!(read.identity_by_name(changed.kind, "1").await.unwrap(), Some(changed));
        assert_eq!(read.verifier(moved.kind, "0x01").await.unwrap(), Some(moved.clone()));
        assert_eq!(read.verifier(moved.kind, &long).await.unwrap(), Some(records::verifier(&long)));
        assert_eq!(read.verifier_by_hash(moved.hash.unwrap()).await.unwrap(), Some(moved.clone()));
        assert_eq!(read.verifiers_of(id(77)).await.unwrap(), [moved]);
        assert_eq!(read.datatype("type1", "1").await.unwrap(), Some(records::datatype(1)));
        assert_eq!(read.datatype_by_id(id(1)).await.unwrap(), Some(records::datatype(1)));
        assert_eq!(read.group(hash(1)).await.unwrap(), Some(group));
        assert_eq!(read.nextpins(hash(10)).await.unwrap(), [next, records::nextpin("b")]);
        store.close().await;
    }

    async fn subscriptions_and_offsets(place: Place) {
        let store = place.open().await;
        let offset = |current| Change::SetOffset { kind: "subscription", name: "x".to_owned(), current };
        commit(&store, [Change::InsertSubscription(records::subscription("app", 1)), offset(3), offset(4)]).await.unwrap();
        let mut changed = records::subscription("app", 1);
        changed.updated = Some(time(99));
        changed.options.read_ahead = Some(50);
        changed.options.transport.insert("url".to_owned(), json(r#""http://x""#));
        let other = records::subscription("other", 2);
        commit(&store, [Change::UpsertSubscription(changed.clone()), Change::UpsertSubscription(other.clone()), offset(7)])
            .await
            .unwrap();
        let read = store.read(NS);
        assert_eq!(read.subscription(id(1)).await.unwrap(), Some(changed.clone()));
        assert_eq!(read.subscription_by_name("app").await.unwrap(), Some(changed));
        assert_eq!(read.offset("subscription", "x").await.unwrap(), Some(7));
        assert_eq!(read.offset("subscription", "y").await.unwrap(), None);
        let again = records::subscription("app", 3);
        commit(&store, [
            Change::DeleteSubscription(id(1)),
            Change::InsertSubscription(again.clone()),
            Change::DeleteOffset { kind: "subscription", name: "x".to_owned() },
        ]).await.unwrap();
        assert_eq!(read.subscription_by_name("app").await.unwrap(), Some(again.clone()));
        assert_eq!(read.offset("subscription", "x").await.unwrap(), None);
        let all: photinus_store::Page<photinus_model::subscription::Subscription> =
            read.find(&Query::first(10)).await.unwrap();
        assert_eq!(all.items, [again, other]);
        store.close().await;
    }

    async fn namespaces_keep_apart(place: Place) {
        let store = place.open().await;
        let both = [Change::InsertMessage(records::message(1)), Change::InsertEvent(records::event(1))];
        for namespace in [NS, "other"] {
            let put = Change::PutKv { space: 1, key: b"k".to_vec(), value: namespace.as_bytes().to_vec() };
            crate::backends::commit_in(&store, namespace, both.iter().cloned().chain([put])).await.unwrap();
        }
        let confirm = change::Message { id: id(1), state: Some(State::Confirmed), ..Default::default() };
        commit(&store, [Change::UpdateMessage(confirm), Change::DeleteKv { space: 1, key: b"k".to_vec() }]).await.unwrap();
        let here = store.read(NS).message(id(1)).await.unwrap().unwrap();
        let there = store.read("other").message(id(1)).await.unwrap().unwrap();
        assert_eq!((here.state, there.state), (Some(State::Confirmed), Some(State::Ready)));
        assert_eq!((here.local_namespace.as_str(), there.local_namespace.as_str()), (NS, "other"));
        assert_eq!(store.read(NS).events_after(0, 10).await.unwrap().len(), 1);
        assert_eq!(store.kv_get(NS, 1, b"k").await.unwrap(), None);
        assert_eq!(store.kv_get("other", 1, b"k").await.unwrap().as_deref(), Some(&b"other"[..]));
        assert_eq!(store.read("absent").message(id(1)).await.unwrap(), None);
        assert!(store.namespaces().await.unwrap().is_empty());
        let record = Namespace {
            name: NS.to_owned(),
            network_name: "network".to_owned(),
            description: "first".to_owned(),
            created: time(1),
        };
        commit(&store, [Change::UpsertNamespace(record.clone())]).await.unwrap();
        assert_eq!(store.namespaces().await.unwrap(), [record]);
        store.close().await;
    }

    async fn entries_are_ordered_bytes(place: Place) {
        let store = place.open().await;
        let put = |key: &[u8], value: &[u8]| Change::PutKv { space: 7, key: key.to_vec(), value: value.to_vec() };
        let keys: [&[u8]; 6] = [&[], &[0], &[1, 255], &[1, 255, 0], &[2], &[255, 255]];
        commit(&store, keys.iter().rev().map(|key| put(key, b"v"))).await.unwrap();
        commit(&store, [put(&[2], b"w"), put(&[0], b""), Change::DeleteKv { space: 7, key: vec![255, 255] }]).await.unwrap();
        commit(&store, [Change::PutKv { space: 8, key: vec![1], value: vec![9] }]).await.unwrap();
        let list = |entries: Vec<(Vec<u8>, Vec<u8>)>| entries.into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let all = store.kv_range(NS, 7, &[], None, 100).await.unwrap();
        assert_eq!(list(all.clone()), [&[][..], &[0], &[1, 255], &[1, 255, 0], &[2]]);
        assert_eq!((all[1].1.as_slice(), all[4].1.as_slice()), (&b""[..], &b"w"[..]));
        assert_eq!(list(store.kv_range(NS, 7, &[0], Some(&[2]), 2).await.unwrap()), [&[0][..], &[1, 255]]);
        assert_eq!(list(store.kv_scan(NS, 7, &[1, 255], None, 9).await.unwrap()), [&[1, 255][..], &[1, 255, 0]]);
        assert_eq!(list(store.kv_scan(NS, 7, &[1], Some(&[1, 255]), 9).await.unwrap()), [[1, 255, 0]]);
        assert_eq!(list(store.kv_scan(NS, 7, &[1], Some(&[0]), 1).await.unwrap()), [[1, 255]]);
        assert_eq!(store.kv_get(NS, 7, &[255, 255]).await.unwrap(), None);
        let many = [vec![2], vec![9], vec![0]];
        let mut found = store.kv_many(NS, 7, &many).await.unwrap();
        found.sort();
        assert_eq!(found, [(vec![0], vec![]), (vec![2], b"w".to_vec())]);
        let ranges = (0..150).map(|number| if number % 3 == 0 { (vec![0], vec![2]) } else { (vec![3], vec![9]) });
        let ranges: Vec<_> = ranges.chain([(vec![2], vec![3])]).collect();
        let found = store.kv_ranges(NS, 7, &ranges, 2).await.unwrap();
        assert_eq!(found.len(), 151);
        assert!(found[..150].iter().step_by(3).all(|of| list(of.clone()) == [&[0][..], &[1, 255]]));
        assert_eq!(found[..150].iter().filter(|of| of.is_empty()).count(), 100);
        assert_eq!(found[150], [(vec![2], b"w".to_vec())]);
        store.close().await;
    }
}
