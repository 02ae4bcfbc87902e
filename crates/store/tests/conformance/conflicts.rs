//! What is in a set's way, across commits, within a group and within a set.

use photinus_model::message::State;
use photinus_store::{Change, ChangeSet, Conflict, Error, Precondition, What, change};

use crate::{
    backends::{NS, Place, commit},
    on_both, records,
    records::id,
};

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> Conflict {
    match result {
        Err(Error::Conflict(conflict)) => conflict,
        other => panic!("{other:?} is no conflict"),
    }
}

fn keyed(number: u128, key: &str) -> Change {
    let mut message = records::message(number);
    message.idempotency_key = Some(key.to_owned());
    Change::InsertMessage(message)
}

on_both! {
    async fn ids_and_keys_are_used_once(place: Place) {
        let store = place.open().await;
        let mut transaction = records::transaction(2);
        transaction.idempotency_key = Some("k".to_owned());
        let insert = [
            keyed(1, "k"),
            Change::InsertTransaction(transaction.clone()),
            Change::InsertOperation(records::operation(3)),
            Change::InsertSubscription(records::subscription("app", 4)),
        ];
        commit(&store, insert.clone()).await.unwrap();
        let mut other = transaction.clone();
        other.id = id(9);
        for (change, what, key, existing) in [
            (keyed(1, "new"), What::MessageId, id(1).to_string(), id(1)),
            (keyed(8, "k"), What::MessageKey, "k".to_owned(), id(1)),
            (Change::InsertTransaction(transaction), What::TransactionId, id(2).to_string(), id(2)),
            (Change::InsertTransaction(other), What::TransactionKey, "k".to_owned(), id(2)),
            (insert[2].clone(), What::OperationId, id(3).to_string(), id(3)),
            (Change::InsertSubscription(records::subscription("app", 7)), What::SubscriptionName, "app".to_owned(), id(4)),
        ] {
            let marker = Change::PutKv { space: 1, key: b"x".to_vec(), value: Vec::new() };
            let found = conflict(commit(&store, [marker, change]).await);
            assert_eq!(found, Conflict { what, key, existing: Some(existing) });
        }
        assert_eq!(store.kv_get(NS, 1, b"x").await.unwrap(), None, "a set is left out whole");
        store.close().await;
    }

    async fn of_equal_requests_in_a_group_one_wins(place: Place) {
        let store = place.open().await;
        for round in 0..20 {
            let key = format!("key {round}");
            let requests = (0..50).map(|number| {
                let (store, change) = (store.clone(), keyed(round * 100 + number + 1, &key));
                tokio::spawn(async move { commit(&store, [change]).await })
            });
            let mut losers = Vec::new();
            let mut winners = 0;
            for request in requests.collect::<Vec<_>>() {
                match request.await.unwrap() {
                    Ok(_) => winners += 1,
                    Err(Error::Conflict(conflict)) => losers.push(conflict),
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!((winners, losers.len()), (1, 49));
            let winner = store.read(NS).message_by_idempotency_key(&key).await.unwrap().unwrap().header.id;
            assert!(losers.iter().all(|conflict| conflict.existing == Some(winner)));
        }
        store.close().await;
    }

    async fn a_state_is_left_once(place: Place) {
        let store = place.open().await;
        commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
        let take = |batch| Change::UpdateMessage(change::Message {
            id: id(1),
            from: vec![State::Ready],
            state: Some(State::Sent),
            batch: Some(id(batch)),
            ..Default::default()
        });
        let (one, other) = tokio::join!(commit(&store, [take(2)]), commit(&store, [take(3)]));
        assert_eq!(one.is_ok(), other.is_err());
        assert_eq!(conflict(if one.is_err() { one } else { other }).what, What::MessageState);
        let absent = Change::UpdateMessage(change::Message { id: id(5), from: vec![State::Ready], ..Default::default() });
        assert_eq!(conflict(commit(&store, [absent]).await).what, What::MessageState);
        let skip = change::Message { id: id(5), from: vec![State::Ready], or_skip: true, ..Default::default() };
        commit(&store, [Change::UpdateMessage(skip)]).await.unwrap();
        let late = change::Message {
            id: id(1),
            from: vec![State::Ready],
            or_skip: true,
            state: Some(State::Cancelled),
            ..Default::default()
        };
        commit(&store, [Change::UpdateMessage(late)]).await.unwrap();
        assert_eq!(store.read(NS).message(id(1)).await.unwrap().unwrap().state, Some(State::Sent));
        store.close().await;
    }

    async fn preconditions_are_demanded_first(place: Place) {
        let store = place.open().await;
        let next = |from: Option<u8>, to: u8| {
            let mut set = ChangeSet::new(NS);
            set.require(Precondition::KvIs { space: 1, key: b"n".to_vec(), value: from.map(|byte| vec![byte]) });
            set.push(Change::PutKv { space: 1, key: b"n".to_vec(), value: vec![to] });
            set
        };
        // The first of two equal steps is taken, also when both are in one group.
        let mut value = None;
        for to in 1..30 {
            let (one, other) = tokio::join!(store.submit(next(value, to)), store.submit(next(value, to + 100)));
            assert_eq!(one.is_ok(), other.is_err());
            value = Some(if one.is_ok() { to } else { to + 100 });
            let lost = conflict(if one.is_ok() { other } else { one });
            assert_eq!((lost.what, lost.key.as_str(), lost.existing), (What::Entry, "6e", None));
        }
        let mut ready = ChangeSet::new(NS);
        ready.require(Precondition::MessageState { id: id(1), states: vec![State::Ready] });
        assert_eq!(conflict(store.submit(ready.clone()).await).what, What::MessageState);
        commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
        store.submit(ready).await.unwrap();
        store.close().await;
    }

    async fn a_set_that_the_database_refuses_hurts_nobody_else(place: Place) {
        let store = place.open().await;
        let event = records::event(1);
        commit(&store, [Change::InsertEvent(event.clone())]).await.unwrap();
        // Ids of events are not looked up before they are written; only the index finds them out.
        let requests = (0..40u128).map(|number| {
            let event = if number % 10 == 0 { event.clone() } else { records::event(100 + number) };
            let (store, message) = (store.clone(), records::message(100 + number));
            let changes = [Change::InsertMessage(message), Change::InsertEvent(event)];
            tokio::spawn(async move { commit(&store, changes).await })
        });
        for (number, request) in requests.collect::<Vec<_>>().into_iter().enumerate() {
            match request.await.unwrap() {
                Ok(committed) => assert_eq!((number % 10 != 0, committed.events.len()), (true, 1)),
                Err(error) => assert!(number % 10 == 0 && matches!(error, Error::Refused(_)), "{error}"),
            }
            let found = store.read(NS).message(id(100 + number as u128)).await.unwrap();
            assert_eq!(found.is_some(), number % 10 != 0);
        }
        store.close().await;
    }
}
