//! Subscribers get every event that they select, in order and at least once, whoever else is slow or goes away.

use photinus_engine::events::{Delivery, Input};
use photinus_model::{
    event::Type,
    subscription::{Filter, Options},
};
use photinus_testkit::network::{DEADLINE, Member, Network};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::inputs::{confirmed, message};

/// A subscriber's end of a connection.
struct Connection {
    deliveries: mpsc::Receiver<Delivery>,
    closed: CancellationToken,
}

impl Connection {
    fn new(room: usize) -> (mpsc::Sender<Delivery>, Self) {
        let (sender, deliveries) = mpsc::channel(room);
        (sender, Self { deliveries, closed: CancellationToken::new() })
    }

    fn attach(member: &Member, name: &str, room: usize) -> Self {
        let (sender, connection) = Self::new(room);
        member.namespace().attach(name, sender, connection.closed.clone());
        connection
    }

    async fn next(&mut self) -> Delivery {
        timeout(DEADLINE, self.deliveries.recv()).await.expect("a delivery in time").expect("the connection is served")
    }

    /// Takes events and acknowledges each.
    async fn take(&mut self, count: usize) -> Vec<i64> {
        let mut sequences = Vec::new();
        while sequences.len() < count {
            let delivery = self.next().await;
            for sequence in of(&delivery) {
                sequences.push(sequence);
                delivery.acknowledge(sequence);
            }
        }
        sequences
    }
}

fn of(delivery: &Delivery) -> Vec<i64> {
    delivery.events.iter().map(|one| one.event.event.sequence).collect()
}

async fn subscribe(member: &Member, options: Value) -> photinus_model::subscription::Subscription {
    let input =
        json!({ "name": "app", "filter": { "events": "message_confirmed", "topic": "^t$" }, "options": options });
    member.namespace().create_subscription(serde_json::from_value::<Input>(input).unwrap()).await.unwrap()
}

/// Confirms messages on the topic, and gives the sequences of their events.
async fn messages(member: &Member, count: i64) -> Vec<i64> {
    let before = member.events_after(-1).await.last().map_or(-1, |event| event.sequence);
    for number in 0..count {
        confirmed(member, message("t", number)).await;
        confirmed(member, message("other", number)).await;
    }
    let events = member.events_after(before).await;
    let wanted = events.iter().filter(|event| event.kind == Type::MessageConfirmed && event.topic == "t");
    wanted.map(|event| event.sequence).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_delivered_in_order_and_what_was_not_acknowledged_comes_again() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let subscription = subscribe(member, json!({ "readAhead": 2, "firstEvent": "newest" })).await;
    let expected = messages(member, 6).await;
    let mut first = Connection::attach(member, "app", 10);
    let window = [first.next().await, first.next().await, first.next().await];
    assert_eq!(window.iter().flat_map(of).collect::<Vec<_>>(), expected[..3]);
    // Out of order: the second acknowledgement makes room, and does not move the position.
    window[1].acknowledge(expected[1]);
    assert_eq!(of(&first.next().await), [expected[3]]);
    assert!(first.deliveries.try_recv().is_err(), "the window is full");
    assert!(member.namespace().subscription_offset(subscription.id).await.unwrap() < expected[0]);
    first.closed.cancel();
    let mut second = Connection::attach(member, "app", 10);
    assert_eq!(second.take(6).await, expected, "nothing is lost, and the order stays");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_is_served_and_the_next_takes_over() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    subscribe(member, json!({ "firstEvent": "newest" })).await;
    let mut first = Connection::attach(member, "app", 10);
    let expected = messages(member, 3).await;
    let in_flight = first.next().await;
    let mut second = Connection::attach(member, "app", 10);
    assert_eq!(of(&in_flight), [expected[0]]);
    assert!(second.deliveries.try_recv().is_err());
    first.closed.cancel();
    assert_eq!(second.take(3).await, expected);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_position_outlives_a_restart() {
    let mut network = Network::registered(1).await;
    subscribe(&network.members[0], json!({ "firstEvent": "newest" })).await;
    let expected = messages(&network.members[0], 4).await;
    let mut connection = Connection::attach(&network.members[0], "app", 10);
    assert_eq!(connection.take(2).await, expected[..2]);
    // Acknowledgements travel behind the delivery: the next event tells that they arrived.
    assert_eq!(of(&connection.next().await), [expected[2]]);
    network.members[0].stop().await;
    network.members[0].start().await;
    let mut connection = Connection::attach(&network.members[0], "app", 10);
    assert_eq!(connection.take(2).await, expected[2..]);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_slows_nobody() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    subscribe(member, json!({ "firstEvent": "oldest", "readAhead": 1000 })).await;
    let stuck = Connection::attach(member, "app", 1);
    let (sender, mut quick) = Connection::new(1);
    let filter = Filter { topic: "^t$".into(), events: "message_confirmed".into(), ..Filter::default() };
    let options = Options { first_event: Some("oldest".into()), ..Options::default() };
    member.namespace().attach_ephemeral(&filter, options, sender, quick.closed.clone()).await.unwrap();
    let expected = messages(member, 10).await;
    assert_eq!(quick.take(10).await, expected);
    assert_eq!(stuck.deliveries.len(), 1, "it is given what it has room for");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_fill_or_come_when_their_time_is_over() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    subscribe(member, json!({ "firstEvent": "newest", "batch": true, "readAhead": 4, "batchTimeout": "20ms" })).await;
    let expected = messages(member, 6).await;
    let mut connection = Connection::attach(member, "app", 10);
    let mut got = Vec::new();
    let mut batches = std::collections::HashSet::new();
    while got.len() < expected.len() {
        let delivery = connection.next().await;
        assert!(delivery.events.len() <= 4);
        assert!(batches.insert(delivery.batch.unwrap()), "each has an id of its own");
        assert!(connection.deliveries.try_recv().is_err(), "one batch at a time");
        got.extend(of(&delivery));
        of(&delivery).into_iter().for_each(|sequence| delivery.acknowledge(sequence));
    }
    assert_eq!(got, expected);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ephemeral_subscriptions_begin_where_they_say() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let filter = Filter { topic: "^t$".into(), events: "message_confirmed".into(), ..Filter::default() };
    let early = messages(member, 2).await;
    let mut ends = Vec::new();
    for first_event in ["oldest", "newest"] {
        let (sender, connection) = Connection::new(10);
        let options = Options { first_event: Some(first_event.into()), read_ahead: Some(50), ..Options::default() };
        member.namespace().attach_ephemeral(&filter, options, sender, connection.closed.clone()).await.unwrap();
        ends.push(connection);
    }
    let late = messages(member, 2).await;
    assert_eq!(ends[0].take(4).await, [early, late.clone()].concat());
    assert_eq!(ends[1].take(2).await, late);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_share_a_subscription_with_the_order_of_topics_kept() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let input = json!({ "name": "app", "filter": { "events": "message_confirmed", "topic": "^t[0-9]$" },
        "options": { "distribution": "balanced", "firstEvent": "newest" } });
    let subscription = serde_json::from_value::<Input>(input).unwrap();
    let subscription = member.namespace().create_subscription(subscription).await.unwrap();
    let (mut first, mut second) = (Connection::attach(member, "app", 10), Connection::attach(member, "app", 10));
    for (number, topic) in ["t0", "t1", "t0", "t1"].into_iter().enumerate() {
        confirmed(member, message(topic, i64::try_from(number).unwrap())).await;
    }
    // Both work at the same time, each on one topic, each on one event.
    let (one, other) = (first.next().await, second.next().await);
    let topic = |delivery: &Delivery| delivery.events[0].event.event.topic.clone();
    assert_ne!(topic(&one), topic(&other));
    assert!(first.deliveries.try_recv().is_err(), "its window is full");
    one.acknowledge(of(&one)[0]);
    let next = first.next().await;
    assert_eq!(topic(&next), topic(&one));
    assert!(of(&next)[0] > of(&one)[0]);
    // One leaves with an event: the other takes over its topic, from that event on.
    first.closed.cancel();
    drop(first);
    other.acknowledge(of(&other)[0]);
    let rest = second.take(2).await;
    assert!(rest.contains(&of(&next)[0]));
    let last = *rest.iter().max().unwrap();
    let namespace = member.namespace();
    let caught_up = async {
        while namespace.subscription_offset(subscription.id).await.unwrap() < last {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, caught_up).await.expect("everything is done");
    network.stop().await;
}
