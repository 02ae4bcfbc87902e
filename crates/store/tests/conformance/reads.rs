//! Reads that stages live on, and the orders of collections.

use photinus_model::{
    data::Data,
    message::{Message, State},
};
use photinus_query::{Condition, Operator, Query, Sort, Value, collection};
use photinus_store::{Change, Chart, Counted, Error, Page, change};

use crate::{
    backends::{NS, Place, commit},
    on_both, records,
    records::{id, time},
};

fn ids(messages: &[Message]) -> Vec<u128> {
    messages.iter().map(|message| message.header.id.as_u128()).collect()
}

on_both! {
    async fn records_are_counted_over_time(place: Place) {
        let store = place.open().await;
        for number in 1..=9 {
            let mut message = records::message(number);
            message.header.created = Some(time(i64::try_from(number).unwrap()));
            if number > 7 {
                message.header.kind = photinus_model::message::Type::Definition;
            }
            commit(&store, [Change::InsertMessage(message)]).await.unwrap();
        }
        let mut noted = records::blockchain_event(1);
        noted.timestamp = time(4);
        commit(&store, [Change::InsertBlockchainEvent { record: noted, event: None }]).await.unwrap();
        let read = store.read(NS);
        let counted = read.count_between(Chart::Messages, time(2), time(9), 100).await.unwrap();
        let types = vec![("broadcast".to_owned(), 6), ("definition".to_owned(), 1)];
        assert_eq!(counted, Counted { count: 7, types });
        assert_eq!(read.count_between(Chart::Messages, time(1), time(99), 4).await.unwrap().count, 4);
        assert_eq!(read.count_between(Chart::Messages, time(50), time(99), 4).await.unwrap(), Counted::default());
        let counted = read.count_between(Chart::BlockchainEvents, time(4), time(5), 9).await.unwrap();
        assert_eq!(counted, Counted { count: 1, types: Vec::new() });
        for chart in [Chart::Events, Chart::Operations, Chart::Transactions] {
            assert_eq!(read.count_between(chart, time(0), time(99), 9).await.unwrap().count, 0);
        }
        store.close().await;
    }

    async fn folders_are_listed_one_level_at_a_time(place: Place) {
        let store = place.open().await;
        for (number, path) in (1..).zip(["/a", "/a/b", "/a/b", "/a/b/c", "/a/ä_%", "/ab", "", "/a0"]) {
            let mut data = records::data(number);
            data.blob = Some(photinus_model::data::BlobRef { path: path.to_owned(), ..Default::default() });
            commit(&store, [Change::InsertData(data)]).await.unwrap();
        }
        let read = store.read(NS);
        assert_eq!(read.data_folders("", 100).await.unwrap(), ["/a", "/a0", "/ab"]);
        assert_eq!(read.data_folders("/a", 100).await.unwrap(), ["/a/b", "/a/ä_%"]);
        assert_eq!(read.data_folders("/a", 1).await.unwrap(), ["/a/b"]);
        assert!(read.data_folders("/nowhere", 100).await.unwrap().is_empty());
        store.close().await;
    }

    async fn messages_that_wait_are_read_in_order(place: Place) {
        let store = place.open().await;
        for number in 1..=9 {
            let mut message = records::message(number);
            if number % 3 == 0 {
                message.header.author = "did:firefly:org/two".to_owned();
            }
            if number == 9 {
                message.header.group = None;
            }
            if number == 5 {
                message.state = Some(State::Pending);
            }
            commit(&store, [Change::InsertMessage(message)]).await.unwrap();
        }
        let read = store.read(NS);
        let first = read.ready_messages(None, 3).await.unwrap();
        let second = read.ready_messages(Some(first[2].0), 100).await.unwrap();
        let all: Vec<_> = first.into_iter().chain(second).map(|(_, message)| message).collect();
        assert_eq!(ids(&all), [1, 2, 3, 4, 6, 7, 8, 9]);
        let of = async |group, pinned| ids(&read.ready_messages_of("did:firefly:org/two", group, pinned, 2).await.unwrap());
        let group = records::message(3).header.group;
        assert_eq!(of(group, true).await, [3, 6]);
        assert_eq!(of(None, true).await, [9]);
        assert!(of(group, false).await.is_empty());
        store.close().await;
    }

    async fn data_knows_its_messages(place: Place) {
        let store = place.open().await;
        for number in 1..=4 {
            let mut message = records::message(number);
            message.data.truncate(if number % 2 == 0 { 2 } else { 1 });
            commit(&store, [Change::InsertMessage(message)]).await.unwrap();
        }
        let read = store.read(NS);
        let mut query = Query::first(10);
        query.count = true;
        let page = read.messages_of_data(id(1001), &query).await.unwrap();
        assert_eq!((ids(&page.items), page.total), (vec![4, 2], Some(2)));
        assert_eq!(read.messages_of_data(id(1000), &Query::first(3)).await.unwrap().items.len(), 3);
        assert_eq!(read.messages_of_data(id(7), &query).await.unwrap().total, Some(0));
        assert!(read.data_in_flight(id(1001)).await.unwrap());
        let confirm = |number| Change::UpdateMessage(change::Message {
            id: id(number),
            state: Some(State::Confirmed),
            ..Default::default()
        });
        commit(&store, [confirm(2), confirm(4)]).await.unwrap();
        assert!(!read.data_in_flight(id(1001)).await.unwrap());
        assert!(read.data_in_flight(id(1000)).await.unwrap());
        store.close().await;
    }

    async fn messages_show_what_is_open_first(place: Place) {
        let store = place.open().await;
        let insert = |number, created: i64, confirmed: Option<i64>| {
            let mut message = records::message(number);
            message.header.created = Some(time(created));
            message.confirmed = confirmed.map(time);
            Change::InsertMessage(message)
        };
        commit(&store, [
            insert(1, 5, Some(10)),
            insert(2, 9, None),
            insert(3, 1, Some(20)),
            insert(4, 7, Some(10)),
            insert(5, 3, None),
            insert(6, 7, Some(10)),
        ]).await.unwrap();
        let page: Page<Message> = store.read(NS).find(&Query::first(100)).await.unwrap();
        assert_eq!((ids(&page.items), page.total), (vec![2, 5, 3, 6, 4, 1], None));
        let mut query = Query::first(2);
        (query.skip, query.count) = (1, true);
        let page: Page<Message> = store.read(NS).find(&query).await.unwrap();
        assert_eq!((ids(&page.items), page.total), (vec![5, 3], Some(6)));
        // Null is above every time, and ties are broken by the newest.
        let confirmed = collection::MESSAGES.field("confirmed").unwrap();
        for (descending, expected) in [(false, [6, 4, 1, 3, 5, 2]), (true, [5, 2, 3, 6, 4, 1])] {
            let mut query = Query::first(100);
            query.sort = vec![Sort { field: confirmed, descending }];
            let page: Page<Message> = store.read(NS).find(&query).await.unwrap();
            assert_eq!(ids(&page.items), expected);
        }
        let mut query = Query::filtered(Condition::new(confirmed, Operator::Equal, Value::Null));
        query.skip = 1;
        let page: Page<Message> = store.read(NS).find(&query).await.unwrap();
        assert_eq!(ids(&page.items), [5]);
        store.close().await;
    }

    async fn a_query_is_for_its_collection(place: Place) {
        let store = place.open().await;
        commit(&store, [Change::InsertData(records::data(1))]).await.unwrap();
        let strange = Condition::text(collection::EVENTS.field("topic").unwrap(), "x");
        let result: Result<Page<Data>, _> = store.read(NS).find(&Query::filtered(strange)).await;
        assert!(matches!(result, Err(Error::Field { collection: "data", field: "topic" })));
        store.close().await;
    }
}
