//! A process that is killed while it writes: what it was told is committed is there, whole, and nothing is there in part.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use photinus_store::{Change, ChangeSet, Error, Options, Store};

use crate::{
    backends::{NS, Place, commit},
    on_both, records,
    records::id,
};

/// Tells the child where to write.
const WHERE: &str = "PHOTINUS_STORE_CRASH";
/// Commits that the child reports before it is killed.
const REPORTS: usize = 300;

/// One set: a message, its event, and an entry with the number.
fn set(number: u128) -> ChangeSet {
    let mut set = ChangeSet::new(NS);
    set.push(Change::InsertMessage(records::message(number)));
    set.push(Change::InsertEvent(records::event(number)));
    set.push(Change::PutKv { space: 1, key: number.to_be_bytes().to_vec(), value: b"v".to_vec() });
    set
}

/// The child: writes with several hands and reports what was committed, until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below"]
#[expect(clippy::print_stdout, reason = "the parent reads it")]
async fn writer() {
    let Ok(place) = std::env::var(WHERE) else { return };
    let options = if place.starts_with("postgres") { Options::postgres(place) } else { Options::sqlite(place) };
    let store = Store::open(options).await.unwrap();
    for hand in 0..8u128 {
        let store = store.clone();
        tokio::spawn(async move {
            for round in 1.. {
                let number = hand * 1_000_000 + round;
                store.submit(set(number)).await.unwrap();
                println!("committed {number}");
            }
        });
    }
    std::future::pending::<()>().await;
}

/// Runs the child until it has reported enough, kills it, and returns everything that it reported.
fn killed(place: &Place) -> Vec<u128> {
    let at = match place {
        Place::File(folder) => folder.path().join("store.db").into_os_string(),
        Place::Server(url) => url.into(),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--ignored", "--nocapture"])
        .env(WHERE, at)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reported = Vec::new();
    // The test harness writes its own words in front of the first report.
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap_or_default();
        reported.extend(line.split_once("committed ").and_then(|(_, number)| number.parse::<u128>().ok()));
        if reported.len() == REPORTS {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    reported
}

/// Opens the place once the server has seen that the child is dead.
async fn reopen(place: &Place) -> Store {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match Store::open(place.options()).await {
            Ok(store) => return store,
            Err(error) => assert!(std::time::Instant::now() < end, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

on_both! {
    async fn what_was_acknowledged_is_there(place: Place) {
        let child = place.clone();
        let reported = tokio::task::spawn_blocking(move || killed(&child)).await.unwrap();
        assert!(reported.len() >= REPORTS);
        let store = reopen(&place).await;
        let read = store.read(NS);
        let ids: Vec<_> = reported.iter().map(|number| id(*number)).collect();
        assert_eq!(read.messages_by_ids(&ids).await.unwrap().len(), reported.len());
        // Each set is there as a whole or not at all.
        let events = read.events_after(0, usize::MAX >> 1).await.unwrap();
        assert!(events.len() >= reported.len());
        let entries = store.kv_range(NS, 1, &[], None, 1_000_000).await.unwrap();
        assert_eq!(entries.len(), events.len());
        for event in &events {
            assert!(read.message(event.id).await.unwrap().is_some());
            assert!(store.kv_get(NS, 1, &event.id.as_u128().to_be_bytes()).await.unwrap().is_some());
        }
        let next = store.submit(set(9_000_000_000)).await.unwrap().events[0].sequence;
        assert!(events.iter().all(|event| event.sequence < next));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_loses_nothing() {
    let place = Place::server().await;
    let Place::Server(url) = &place else { panic!("a server's place is a URL") };
    let store = place.open().await;
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let writers: Vec<_> = (0..4u128)
        .map(|hand| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut done, mut failed) = (Vec::new(), Vec::new());
                for round in 1..=200 {
                    let number = hand * 1_000 + round;
                    match store.submit(set(number)).await {
                        Ok(_) => done.push(number),
                        Err(error @ Error::Unavailable(_)) => {
                            assert!(error.is_retryable());
                            failed.push(number);
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                (done, failed)
            })
        })
        .collect();
    // Kills the writer's connection at moments of the server's choice.
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                (SELECT oid FROM pg_database WHERE datname = current_database())";
    let mut kills = 0i64;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        if kills < 20 {
            kills += client.query_one(kill, &[]).await.unwrap().get::<_, i64>(0);
        }
        tokio::task::yield_now().await;
    }
    assert!(kills > 0, "the test has killed nothing");
    for writer in writers {
        let (done, failed) = writer.await.unwrap();
        for (numbers, there) in [(done, true), (failed, false)] {
            for number in numbers {
                assert_eq!(store.read(NS).message(id(number)).await.unwrap().is_some(), there, "{number}");
            }
        }
    }
    commit(&store, [Change::InsertMessage(records::message(77_777))]).await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_refuses_is_tried_again() {
    let place = Place::server().await;
    let Place::Server(url) = &place else { panic!("a server's place is a URL") };
    let (server, database) = url.rsplit_once('/').unwrap();
    let (client, connection) =
        tokio_postgres::connect(&format!("{server}/postgres"), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut options = place.options();
    options.limits.reconnect = std::time::Duration::from_millis(200);
    let store = Store::open(options).await.unwrap();
    store.submit(set(1)).await.unwrap();
    let close = format!(
        "ALTER DATABASE {database} ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    );
    client.batch_execute(&close).await.unwrap();
    for number in 2..=3 {
        // Whether the first of them was committed is not known to anybody while the database is shut.
        let error = store.submit(set(number)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_) | Error::Unknown(_)), "{error}");
    }
    assert!(matches!(store.read(NS).message(id(1)).await, Err(Error::Unavailable(_))));
    client.batch_execute(&format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true")).await.unwrap();
    store.submit(set(4)).await.unwrap();
    for (number, there) in [(1, true), (2, false), (3, false), (4, true)] {
        assert_eq!(store.read(NS).message(id(number)).await.unwrap().is_some(), there);
    }
    store.close().await;
}
