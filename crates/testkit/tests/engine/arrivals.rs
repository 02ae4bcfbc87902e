//! Messages that are stored together with their batch: nobody loses one by it, and nobody waits for somebody else's mistake.

use futures::future::join_all;
use photinus_engine::Kind;
use photinus_model::message::State;
use photinus_testkit::network::{DEADLINE, NAMESPACE, Network};
use serde_json::json;

use crate::inputs::{confirmed, input, message, sent, until_final};

fn keyed(number: usize, key: &str) -> photinus_model::message::Input {
    input(json!({ "header": { "topics": ["k"] }, "data": [{ "value": number }], "idempotencyKey": key }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_refuses_its_own_message_and_no_other_of_the_batch() {
    let network = Network::registered(2).await;
    let member = &network.members[0];
    let first = confirmed(member, keyed(0, "once")).await.header.id;
    let namespace = member.namespace();
    let requests = (1..60).map(|number| {
        let repeated = number % 7 == 0;
        let own = number.to_string();
        let input = keyed(number, if repeated { "once" } else { &own });
        async move { (repeated, namespace.broadcast(input, Some(DEADLINE)).await) }
    });
    let mut ids = vec![first];
    for (repeated, result) in join_all(requests).await {
        if repeated {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::Conflict, "FF10430"), "{error}");
        } else {
            ids.push(result.unwrap().header.id);
        }
    }
    let other = &network.members[1];
    until_final(other, &ids).await;
    let stored = member.store.read(NAMESPACE).messages_by_ids(&ids).await.unwrap();
    assert!(stored.len() == ids.len() && stored.iter().all(|message| message.state == Some(State::Confirmed)));
    assert_eq!(namespace.vitals().backlog.messages, 0);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_be_accepted_survives_a_crash_while_the_ledger_is_away() {
    let mut network = Network::registered(1).await;
    let member = &network.members[0];
    network.ledger.fail_submissions(Some("no connection"));
    let stuck = sent(member, message("t", 0)).await;
    let namespace = member.namespace();
    let many = join_all((1..40).map(|number| namespace.broadcast(message("t", number), None))).await;
    let mut ids: Vec<_> = many.into_iter().map(|result| result.unwrap().header.id).collect();
    ids.push(stuck);
    network.members[0].crash().await;
    network.ledger.fail_submissions(None);
    network.members[0].start().await;
    until_final(&network.members[0], &ids).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_waiting_caller_is_told_is_what_is_stored() {
    let network = Network::registered(2).await;
    let member = &network.members[0];
    let private = |tx: &str, number: usize| {
        input(json!({
            "header": { "topics": ["a", "b"], "tag": "t", "txtype": tx }, "group": { "members": [{ "identity": "org_1" }] },
            "data": [{ "value": number }], "idempotencyKey": format!("{tx}{number}"),
        }))
    };
    let namespace = member.namespace();
    let mut told = vec![confirmed(member, keyed(0, "b")).await];
    for number in 0..3 {
        for tx in ["batch_pin", "unpinned"] {
            told.push(namespace.send_private(private(tx, number), Some(DEADLINE)).await.unwrap());
        }
    }
    for message in told {
        let stored = member.store.read(NAMESPACE).message(message.header.id).await.unwrap().unwrap();
        assert_eq!(message, stored);
    }
    network.stop().await;
}
