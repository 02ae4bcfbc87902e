//! Opening: one node at a time, never a schema from the future.

use photinus_store::{Change, Options, Store, options};

use crate::{
    backends::{NS, Place, commit},
    on_both, records,
    records::id,
};

/// Lets another hand write into the database while no store has it open.
async fn meddle(place: &Place, sql: &str) {
    match place {
        Place::File(folder) => {
            rusqlite::Connection::open(folder.path().join("store.db")).unwrap().execute_batch(sql).unwrap();
        }
        Place::Server(url) => {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            client.batch_execute(sql).await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        }
    }
}

on_both! {
    async fn two_nodes_cannot_share(place: Place) {
        let store = place.open().await;
        let second = Store::open(place.options()).await;
        assert!(matches!(second, Err(options::Error::InUse(_))));
        commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
        store.close().await;
        let store = place.open().await;
        assert!(store.read(NS).message(id(1)).await.unwrap().is_some());
        store.close().await;
    }

    async fn a_later_schema_is_refused(place: Place) {
        place.open().await.close().await;
        place.open().await.close().await;
        meddle(&place, "INSERT INTO migrations VALUES (99, 'x')").await;
        let error = Store::open(place.options()).await.unwrap_err();
        assert!(matches!(error, options::Error::Newer { found: 99, .. }), "{error}");
    }

    async fn a_foreign_schema_is_refused(place: Place) {
        place.open().await.close().await;
        meddle(&place, "UPDATE migrations SET digest = 'x'").await;
        assert!(matches!(Store::open(place.options()).await, Err(options::Error::Foreign(1))));
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent/store.db");
    let error = Store::open(Options::sqlite(&absent)).await.unwrap_err();
    assert!(error.to_string().contains("absent/store.db"), "{error}");
    std::fs::write(folder.path().join("text"), "this is not a database, but it is long enough to look like one")
        .unwrap();
    let error = Store::open(Options::sqlite(folder.path().join("text"))).await.unwrap_err();
    assert!(matches!(error, options::Error::Unavailable(_)), "{error}");
    let wrong = Store::open(Options::postgres("postgres://127.0.0.1:1/x?sslmode=perhaps")).await.unwrap_err();
    assert!(matches!(wrong, options::Error::Unsuitable(_)), "{wrong}");
    let nobody = Store::open(Options::postgres("postgres://nobody@127.0.0.1:1/x")).await.unwrap_err();
    assert!(matches!(nobody, options::Error::Unavailable(_)), "{nobody}");
}

#[tokio::test]
async fn a_temporary_store_leaves_nothing_behind() {
    let store = Store::open(Options::temporary()).await.unwrap();
    commit(&store, [Change::InsertMessage(records::message(1))]).await.unwrap();
    assert!(store.read(NS).message(id(1)).await.unwrap().is_some());
    store.close().await;
    assert!(store.read(NS).message(id(1)).await.is_err());
}
