//! Listings as text show what is stored now, whatever was kept from before.

use std::sync::Arc;

use photinus_model::{
    Hash, json,
    message::{Message, State},
};
use photinus_query::Query;
use photinus_store::{Change, Store, Texts, change};

use crate::{
    backends::{NS, Place, commit, commit_in},
    on_both,
    records::{self, hash, id, time},
};

const ROOM: u64 = 1 << 20;

/// The page of a listing, which must show the very records that are read as such.
async fn shown(store: &Store, namespace: &str, texts: &Texts) -> Vec<Arc<[u8]>> {
    let query = Query { count: true, ..Query::first(25) };
    let page = store.read(namespace).texts::<Message>(&query, texts).await.unwrap();
    let records = store.read(namespace).find::<Message>(&query).await.unwrap();
    let written: Vec<_> = records.items.iter().map(|record| json::to_text(record).unwrap()).collect();
    let read: Vec<_> = page.items.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
    assert_eq!((read, page.total), (written, records.total));
    page.items
}

fn update(number: u128, state: State) -> Change {
    let confirmed = Some(time(77));
    Change::UpdateMessage(change::Message {
        id: id(number),
        state: Some(state),
        confirmed,
        ..change::Message::default()
    })
}

fn same(one: &[Arc<[u8]>], other: &[Arc<[u8]>]) -> Vec<bool> {
    one.iter().zip(other).map(|(one, other)| Arc::ptr_eq(one, other)).collect()
}

on_both! {
    async fn every_change_of_a_row_is_seen_at_once(place: Place) {
        let (store, texts) = (place.open().await, Texts::new(ROOM));
        assert!(shown(&store, NS, &texts).await.is_empty());
        commit(&store, (1..=3).map(|number| Change::InsertMessage(records::message(number)))).await.unwrap();
        let before = shown(&store, NS, &texts).await;
        assert_eq!(same(&before, &shown(&store, NS, &texts).await), [true; 3], "kept from the listing before");

        commit(&store, [update(2, State::Confirmed)]).await.unwrap();
        // The one that is decided is behind the others now.
        let decided = shown(&store, NS, &texts).await;
        assert_eq!(same(&[&before[0], &before[2], &before[1]].map(Arc::clone), &decided), [true, true, false]);
        // Decided otherwise at the same time, and told why.
        let reason = Some("no".to_owned());
        let other = change::Message { id: id(2), state: Some(State::Rejected), reject_reason: reason, ..Default::default() };
        commit(&store, [Change::UpdateMessage(other)]).await.unwrap();
        assert_eq!(same(&decided, &shown(&store, NS, &texts).await), [true, true, false]);

        // Taken back, and received again.
        commit(&store, [Change::DeleteMessage { id: id(2), hash: hash(2) }]).await.unwrap();
        assert_eq!(shown(&store, NS, &texts).await.len(), 2);
        commit(&store, [Change::KeepMessage(records::message(2)), update(2, State::Confirmed)]).await.unwrap();
        assert_eq!(shown(&store, NS, &texts).await.len(), 3);
        store.close().await;
    }

    async fn a_number_that_is_given_again_is_another_row(place: Place) {
        let (store, texts) = (place.open().await, Texts::new(ROOM));
        commit(&store, (1..=2).map(|number| Change::InsertMessage(records::message(number)))).await.unwrap();
        shown(&store, NS, &texts).await;
        commit(&store, [Change::DeleteMessage { id: id(2), hash: hash(2) }]).await.unwrap();
        store.close().await;
        // The process has ended meanwhile, as far as the store knows.
        let store = place.open().await;
        commit(&store, [Change::InsertMessage(records::message(3))]).await.unwrap();
        assert_eq!(shown(&store, NS, &texts).await.len(), 2);
        store.close().await;
    }

    async fn namespaces_and_collections_are_told_apart(place: Place) {
        let (store, texts) = (place.open().await, Texts::new(ROOM));
        for namespace in [NS, "other"] {
            let changes = [Change::InsertMessage(records::message(1)), Change::InsertData(records::data(1))];
            commit_in(&store, namespace, changes).await.unwrap();
        }
        for _ in 0..2 {
            for namespace in [NS, "other"] {
                shown(&store, namespace, &texts).await;
                let data = store.read(namespace).texts::<photinus_model::data::Data>(&Query::first(1), &texts).await.unwrap();
                let record = store.read(namespace).data(id(1)).await.unwrap();
                assert_eq!(data.items[0][..], json::to_bytes(&record).unwrap()[..]);
            }
        }
        store.close().await;
    }

    async fn what_is_kept_has_a_bound(place: Place) {
        let (store, texts) = (place.open().await, Texts::new(8 << 10));
        let change = |number| {
            let mut message = records::message(number);
            message.header.tag = "x".repeat(usize::try_from(number).unwrap() * 40);
            message.hash = Some(Hash::of(number.to_string()));
            Change::InsertMessage(message)
        };
        commit(&store, (1..=60).map(change)).await.unwrap();
        for limit in [25, 60, 100, 101] {
            let page = store.read(NS).texts::<Message>(&Query::first(limit), &texts).await.unwrap();
            assert_eq!(page.items.len(), usize::try_from(limit.min(60)).unwrap());
            assert!(texts.kept() <= 8 << 10, "{}", texts.kept());
        }
        store.close().await;
    }
}
