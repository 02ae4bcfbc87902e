use photinus_engine::events::{Delivered, Enriched};
use photinus_model::{
    Time,
    event::{Event, Type},
};
use proptest::prelude::*;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::ws::frame::Named;

fn reference(id: u128, name: &str) -> Ref {
    Ref { id: Uuid::from_u128(id), namespace: "ns".into(), name: name.into() }
}

fn event(sequence: i64) -> Enriched {
    Enriched::bare(Event {
        id: Uuid::from_u128(u128::try_from(sequence).unwrap()),
        sequence,
        kind: Type::MessageConfirmed,
        namespace: "ns".into(),
        reference: None,
        correlator: None,
        tx: None,
        topic: String::new(),
        created: Time::from_unix_nanos(1),
    })
}

/// A delivery of events by their sequences, which are their ids too, and where their acknowledgements arrive.
fn delivery(of: &Ref, run: u64, batch: Option<u128>, sequences: &[i64]) -> (Delivery, UnboundedReceiver<i64>) {
    let (acks, acknowledged) = unbounded_channel();
    let events = sequences.iter().map(|at| Delivered::new(event(*at), of.clone())).collect();
    (Delivery::new(Arc::new(of.clone()), events, batch.map(Uuid::from_u128), run, acks), acknowledged)
}

fn running(_: &str) -> Standing {
    Standing::Running
}

fn durable(name: &str, autoack: Option<bool>) -> Start {
    Start { namespace: "ns".into(), name: name.into(), autoack, ..Start::default() }
}

fn started(names: &[&str]) -> Protocol {
    let mut protocol = Protocol::new(None);
    for name in names {
        protocol.start(&durable(name, None), Origin::Frame, running).unwrap();
    }
    protocol
}

/// Acknowledges, and gives the sequences that are done.
fn ack(protocol: &mut Protocol, id: Option<u128>, named: Option<Named>) -> Result<Vec<i64>, String> {
    let done = protocol.ack(&Ack { id: id.map(Uuid::from_u128), subscription: named });
    done.map(|done| done.into_iter().flat_map(|done| done.sequences).collect())
        .map_err(|error| error.to_string()[..7].to_owned())
}

fn by_name(name: &str) -> Option<Named> {
    Some(Named { id: None, namespace: "ns".into(), name: name.into() })
}

#[test]
fn events_are_acknowledged_by_id_and_each_once() {
    let mut protocol = started(&["a"]);
    let (sent, mut acknowledged) = delivery(&reference(1, "a"), 1, None, &[5]);
    assert!(protocol.deliver(&sent).is_none());
    let done = protocol.ack(&Ack { id: Some(Uuid::from_u128(5)), subscription: None }).unwrap();
    done[0].tell();
    assert_eq!(acknowledged.try_recv(), Ok(5));
    assert_eq!(ack(&mut protocol, Some(5), None), Err("FF10175".into()), "twice");
    assert_eq!(ack(&mut protocol, None, None), Err("FF10175".into()), "nothing in flight");
    assert_eq!(protocol.waiting(), 0);
}

#[test]
fn an_acknowledgement_without_id_is_for_the_oldest_event_of_any_subscription() {
    let mut protocol = started(&["a", "b"]);
    protocol.deliver(&delivery(&reference(1, "a"), 1, None, &[7]).0);
    protocol.deliver(&delivery(&reference(2, "b"), 2, None, &[3]).0);
    assert_eq!(ack(&mut protocol, None, by_name("b")), Ok(vec![7]));
    assert_eq!(ack(&mut protocol, None, None), Ok(vec![3]));
}

#[test]
fn the_subscription_tells_two_copies_of_an_event_apart() {
    let mut protocol = started(&["a", "b"]);
    protocol.deliver(&delivery(&reference(1, "a"), 1, None, &[5]).0);
    protocol.deliver(&delivery(&reference(2, "b"), 2, None, &[5]).0);
    assert_eq!(ack(&mut protocol, Some(5), None), Err("FF10175".into()), "which of two?");
    assert_eq!(ack(&mut protocol, Some(5), by_name("c")), Err("FF10175".into()));
    assert_eq!(ack(&mut protocol, Some(5), by_name("b")), Ok(vec![5]));
    assert_eq!(ack(&mut protocol, Some(5), by_name("b")), Err("FF10175".into()));
    let by_id = Named { id: Some(Uuid::from_u128(1)), ..Named::default() };
    assert_eq!(ack(&mut protocol, Some(5), Some(by_id)), Ok(vec![5]));
}

#[test]
fn batches_are_acknowledged_by_their_own_id_alone() {
    let mut protocol = started(&["a"]);
    protocol.deliver(&delivery(&reference(1, "a"), 1, Some(900), &[5, 6]).0);
    assert_eq!(ack(&mut protocol, Some(5), None), Err("FF10175".into()));
    assert_eq!(ack(&mut protocol, None, None), Err("FF10175".into()));
    assert_eq!(ack(&mut protocol, Some(900), by_name("not compared")), Ok(vec![5, 6]));
    assert_eq!(ack(&mut protocol, Some(900), None), Err("FF10175".into()));
}

#[test]
fn with_autoack_events_are_done_when_sent_and_never_acknowledged() {
    let mut protocol = Protocol::new(None);
    protocol.start(&durable("a", Some(true)), Origin::Frame, running).unwrap();
    let (sent, _acknowledged) = delivery(&reference(1, "a"), 1, None, &[5]);
    assert_eq!(protocol.deliver(&sent).unwrap().sequences, [5]);
    assert_eq!(protocol.waiting(), 0);
    assert_eq!(ack(&mut protocol, Some(5), None), Err("FF10180".into()));
}

#[test]
fn a_new_run_makes_what_was_in_flight_come_again() {
    let mut protocol = started(&["a"]);
    let subscription = reference(1, "a");
    protocol.deliver(&delivery(&subscription, 1, None, &[5]).0);
    protocol.deliver(&delivery(&subscription, 1, Some(900), &[6]).0);
    let (again, mut acknowledged) = delivery(&subscription, 2, None, &[5]);
    protocol.deliver(&again);
    assert_eq!(protocol.waiting(), 1);
    let done = protocol.ack(&Ack { id: Some(Uuid::from_u128(5)), subscription: None }).unwrap();
    assert_eq!(done.len(), 1);
    done[0].tell();
    assert_eq!(acknowledged.try_recv(), Ok(5), "the new run is told");
}

#[test]
fn starts_are_checked_in_order() {
    let known = |name: &str| match name {
        "ns" => Standing::Running,
        "slow" => Standing::Starting,
        _ => Standing::Unknown,
    };
    let start = |namespace: &str, name: &str, ephemeral| Start {
        namespace: namespace.into(),
        name: name.into(),
        ephemeral,
        ..Start::default()
    };
    let code = |scope: Option<&str>, start: &Start, origin| {
        let result = Protocol::new(scope.map(str::to_owned)).start(start, origin, known);
        result.map_err(|error| error.to_string()[..7].to_owned())
    };
    use Origin::{Frame, Query};
    for (scope, asked, origin, expected) in [
        (None, start("ns", "a", false), Frame, Ok("ns")),
        (Some("ns"), start("", "a", false), Frame, Ok("ns")),
        (Some("ns"), start("other", "a", false), Frame, Err("FF10462")),
        (Some("ns"), start("other", "", true), Query, Err("FF10462")),
        (None, start("nope", "", true), Frame, Err("FF10436")),
        (None, start("", "", true), Frame, Err("FF10436")),
        (None, start("nope", "", true), Query, Err("FF10187")),
        (None, start("", "", true), Query, Err("FF10178")),
        (None, start("ns", "", false), Query, Err("FF10178")),
        (None, start("ns", "", false), Frame, Err("FF10178")),
        (None, start("slow", "a", false), Frame, Err("FF10187")),
    ] {
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(code(scope, &asked, origin), expected, "{scope:?} {asked:?} {origin:?}");
    }
}

#[test]
fn autoack_is_one_for_all_starts_also_behind_one_that_failed() {
    let mut protocol = Protocol::new(None);
    protocol.start(&durable("a", Some(false)), Origin::Frame, running).unwrap();
    protocol.start(&durable("b", None), Origin::Frame, running).unwrap();
    assert!(matches!(protocol.start(&durable("c", Some(true)), Origin::Frame, running), Err(Error::AutoackChanged)));
    let mut protocol = Protocol::new(None);
    assert!(protocol.start(&durable("", Some(false)), Origin::Query, running).is_err());
    assert!(matches!(protocol.start(&durable("c", Some(true)), Origin::Frame, running), Err(Error::AutoackChanged)));
}

#[test]
fn starts_are_bounded() {
    let mut protocol = started(&["a"; MAX_STARTS]);
    assert!(matches!(protocol.start(&durable("a", None), Origin::Frame, running), Err(Error::TooMany)));
}

proptest! {
    /// Whatever is acknowledged in whatever order: each event is done once, and nothing is left behind.
    #[test]
    fn every_event_is_done_once(order in Just((0..60_i64).collect::<Vec<_>>()).prop_shuffle(), by_place in any::<bool>()) {
        let mut protocol = started(&["a"]);
        let subscription = reference(1, "a");
        for sequence in 0..60 {
            protocol.deliver(&delivery(&subscription, 1, None, &[sequence]).0);
        }
        let mut done = Vec::new();
        for sequence in &order {
            let id = (!by_place).then(|| u128::try_from(*sequence).unwrap());
            done.extend(ack(&mut protocol, id, None).unwrap());
        }
        let mut expected = order;
        if by_place {
            expected.sort_unstable();
        }
        prop_assert_eq!(done, expected);
        prop_assert_eq!(protocol.waiting(), 0);
        prop_assert!(protocol.by_event.is_empty());
    }
}
