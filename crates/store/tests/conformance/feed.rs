//! Events: numbered in the order of commits, told as they are committed.

use std::{collections::HashMap, time::Duration};

use photinus_store::{Change, ChangeSet, Error, Happened, Lagged, Options, Store};
use tokio::time::timeout;

use crate::{
    backends::{NS, Place, commit, commit_in},
    on_both, records,
    records::id,
};

/// Nothing here takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

on_both! {
    async fn many_submitters_one_order(place: Place) {
        let store = place.open().await;
        let mut feed = store.feed(NS);
        let mut other = store.feed("other");
        let writers = (0..8u128).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..50 {
                    let number = 1 + writer * 1_000 + round * 2;
                    let events = [records::event(number), records::event(number + 1)].map(Change::InsertEvent);
                    let namespace = if writer == 7 { "other" } else { NS };
                    let committed = commit_in(&store, namespace, events).await.unwrap();
                    assert!(committed.events.is_sorted_by(|one, other| one.sequence < other.sequence));
                    // What is acknowledged can be read.
                    let last = store.read(namespace).last_event().await.unwrap();
                    assert!(last >= committed.events[1].sequence);
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        for (feed, namespace, count) in [(&mut feed, NS, 700), (&mut other, "other", 100)] {
            let mut told = Vec::new();
            while told.len() < count {
                let events = timeout(LIMIT, feed.next()).await.unwrap().unwrap().unwrap();
                told.extend(events.iter().cloned());
            }
            assert!(told.is_sorted_by(|one, other| one.sequence < other.sequence));
            assert!(told.iter().all(|event| event.namespace == namespace));
            let stored = store.read(namespace).events_after(0, 10_000).await.unwrap();
            assert_eq!(stored, told);
            let half = store.read(namespace).events_after(told[count / 2 - 1].sequence, 3).await.unwrap();
            assert_eq!(half, told[count / 2..count / 2 + 3]);
            let mut by_writer: HashMap<u128, Vec<u128>> = HashMap::new();
            for event in &told {
                by_writer.entry(event.id.as_u128() / 1_000).or_default().push(event.id.as_u128());
            }
            assert!(by_writer.values().all(|ids| ids.is_sorted()), "each writer's own order is kept");
        }
        store.close().await;
        assert!(matches!(timeout(LIMIT, feed.next()).await.unwrap(), Err(Error::Closed)));
    }

    async fn numbers_go_on_after_a_restart(place: Place) {
        let store = place.open().await;
        let before = commit(&store, [Change::InsertEvent(records::event(1))]).await.unwrap().events[0].sequence;
        store.close().await;
        assert!(matches!(store.submit(one(2)).await, Err(Error::Closed)));
        let store = place.open().await;
        let after = store.submit(one(3)).await.unwrap().events[0].sequence;
        assert!(after > before);
        assert_eq!(store.read(NS).event(id(1)).await.unwrap().unwrap().sequence, before);
        store.close().await;
    }
}

#[tokio::test]
async fn who_watches_is_told_of_records_and_not_of_what_failed() {
    let store = Store::open(Options::temporary()).await.unwrap();
    store.submit(one(1)).await.unwrap();
    let mut watch = store.watch(NS);
    let subscription = records::subscription("app", 7);
    let told = [
        (Change::InsertSubscription(subscription.clone()), "subscriptions", Happened::Created),
        (Change::UpsertSubscription(subscription.clone()), "subscriptions", Happened::Updated),
        (Change::DeleteSubscription(subscription.id), "subscriptions", Happened::Deleted),
    ];
    for (change, collection, what) in told {
        commit(&store, [change]).await.unwrap();
        let noted = timeout(LIMIT, watch.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(noted.len(), 1, "{noted:?}");
        assert_eq!((noted[0].collection, noted[0].what, noted[0].id), (collection, what, Some(subscription.id)));
    }
    let twice = [records::operation(8), records::operation(8)].map(Change::InsertOperation);
    assert!(commit(&store, twice).await.is_err());
    let committed = commit(&store, [Change::InsertEvent(records::event(9))]).await.unwrap();
    let noted = timeout(LIMIT, watch.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((noted[0].collection, noted[0].id), ("events", Some(id(9))));
    assert_eq!(noted[0].sequence, Some(committed.events[0].sequence));
    store.close().await;
    assert!(matches!(timeout(LIMIT, watch.next()).await.unwrap(), Err(Error::Closed)));
}

fn one(number: u128) -> ChangeSet {
    let mut set = ChangeSet::new(NS);
    set.push(Change::InsertEvent(records::event(number)));
    set
}

#[tokio::test]
async fn who_falls_behind_is_told() {
    let mut options = Options::temporary();
    options.limits.feed = 2;
    let store = Store::open(options).await.unwrap();
    let mut feed = store.feed(NS);
    for number in 1..=5 {
        store.submit(one(number)).await.unwrap();
    }
    assert_eq!(timeout(LIMIT, feed.next()).await.unwrap().unwrap().unwrap_err(), Lagged(3));
    let events = timeout(LIMIT, feed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(events[0].id, id(4));
    store.close().await;
}

#[tokio::test]
async fn what_is_submitted_before_the_end_is_committed() {
    let place = Place::file();
    let store = place.open().await;
    let requests: Vec<_> = (1..=200)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { store.submit(one(number)).await })
        })
        .collect();
    store.close().await;
    let mut done = 0;
    for request in requests {
        match request.await.unwrap() {
            Ok(_) => done += 1,
            Err(Error::Closed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    let store = place.open().await;
    assert_eq!(store.read(NS).events_after(0, 1_000).await.unwrap().len(), done);
    store.close().await;
}
