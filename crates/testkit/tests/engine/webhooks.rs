//! Webhooks: what is sent, what is answered, and that nothing is lost whoever fails.

use photinus_engine::events::{Input, Parked};
use photinus_model::{Uuid, message::Message, subscription::Subscription};
use photinus_ports::webhooks::{Call, Error};
use photinus_query::{Filter, Query};
use photinus_store::Store;
use photinus_testkit::{
    endpoints::answer,
    network::{DEADLINE, Member, NAMESPACE, Network},
};
use serde_json::{Value, json};

use crate::inputs::{confirmed, input, message};

async fn subscribe(member: &Member, options: Value) -> Subscription {
    let mut all = json!({ "url": "http://app" });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let input = json!({ "name": "hook", "transport": "webhooks", "options": all,
        "filter": { "events": "message_confirmed", "topic": "^t$" } });
    member.namespace().create_subscription(serde_json::from_value::<Input>(input).unwrap()).await.unwrap()
}

/// The numbers that calls carry.
fn numbers(calls: &[Call]) -> Vec<i64> {
    let number = |call: &Call| serde_json::from_slice::<Value>(call.body.as_ref()?).ok()?["value"].as_i64();
    calls.iter().filter_map(number).collect()
}

fn header<'a>(call: &'a Call, wanted: &str) -> &'a str {
    call.headers.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
}

async fn parked(member: &Member, subscription: Uuid) -> Vec<Parked> {
    member.namespace().parked(subscription, -1, 100).await.unwrap()
}

async fn until_parked(member: &Member, subscription: Uuid, count: usize) -> Vec<Parked> {
    let namespace = member.namespace().clone();
    let look = || async { namespace.parked(subscription, -1, 100).await.unwrap() };
    let waiting = async {
        loop {
            let found = look().await;
            if found.len() == count && found.iter().all(|one| !one.resumed) {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("parked in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_called_in_order_and_the_position_outlives_a_restart() {
    let mut network = Network::registered(1).await;
    let member = &network.members[0];
    subscribe(member, json!({})).await;
    for number in 0..3 {
        confirmed(member, message("t", number)).await;
    }
    let calls = member.endpoints.until("three calls", |calls| calls.len() == 3).await;
    assert_eq!(numbers(&calls), [0, 1, 2]);
    assert_eq!((calls[0].method.as_str(), calls[0].url.as_str()), ("POST", "http://app"));
    network.members[0].stop().await;
    network.members[0].start().await;
    let member = &network.members[0];
    confirmed(member, message("t", 3)).await;
    let calls = member.endpoints.until("the fourth call", |calls| numbers(calls).contains(&3)).await;
    assert_eq!(numbers(&calls), [0, 1, 2, 3], "an orderly stop repeats nothing");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_endpoint_refuses_is_parked_and_the_stream_goes_on() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let subscription = subscribe(member, json!({})).await;
    member.endpoints.behave(|call| Ok(answer(if numbers(std::slice::from_ref(call)) == [1] { 500 } else { 200 }, "")));
    for number in 0..3 {
        confirmed(member, message("t", number)).await;
    }
    let calls = member.endpoints.until("three calls", |calls| calls.len() == 3).await;
    assert_eq!(numbers(&calls), [0, 1, 2], "one call for each, as in the reference");
    let refused = until_parked(member, subscription.id, 1).await;
    assert_eq!((refused[0].tries, refused[0].reason.as_str()), (1, "the endpoint answered 500"));
    // Tried again, it fails again, and says so.
    let namespace = member.namespace();
    assert_eq!(namespace.resume_parked(subscription.id, Some(refused[0].event)).await.unwrap(), 1);
    member.endpoints.until("a second try", |calls| calls.len() == 4).await;
    assert_eq!(until_parked(member, subscription.id, 1).await[0].tries, 2);
    // Mended, it is taken.
    member.endpoints.behave(|_| Ok(answer(204, "")));
    assert_eq!(namespace.resume_parked(subscription.id, None).await.unwrap(), 1);
    member.endpoints.until("a third try", |calls| calls.len() == 5).await;
    until_parked(member, subscription.id, 0).await;
    assert!(namespace.resume_parked(subscription.id, Some(refused[0].event)).await.is_err());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guaranteed_event_is_tried_until_it_is_taken_also_over_a_crash() {
    let mut network = Network::registered(1).await;
    let member = &network.members[0];
    let delivery = json!({ "delivery": { "guaranteed": true, "initialDelay": "10ms", "maxDelay": "20ms" } });
    let subscription = subscribe(member, delivery).await;
    member.endpoints.behave(|_| Err(Error::Unreachable("nobody there".into())));
    confirmed(member, message("t", 0)).await;
    confirmed(member, message("t", 1)).await;
    let calls = member.endpoints.until("a few tries", |calls| calls.len() > 3).await;
    assert_eq!(numbers(&calls)[..4], [0, 0, 0, 0], "nothing overtakes");
    let health = member.namespace().webhook_health(subscription.id).await.unwrap().unwrap();
    assert!(health.retrying.is_some() && health.last_error == "no answer: nobody there", "{health:?}");
    network.members[0].crash().await;
    network.members[0].start().await;
    let member = &network.members[0];
    let before = member.endpoints.calls().len();
    member.endpoints.until("tries after the crash", |calls| calls.len() > before + 1).await;
    member.endpoints.behave(|_| Ok(answer(200, "")));
    let calls = member.endpoints.until("the second event", |calls| numbers(calls).contains(&1)).await;
    assert_eq!(numbers(&calls).iter().filter(|number| **number == 1).count(), 1);
    assert!(parked(member, subscription.id).await.is_empty());
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_event_is_parked_after_its_tries_and_can_be_dropped() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let delivery =
        json!({ "delivery": { "guaranteed": true, "tries": 3, "initialDelay": "10ms", "maxDelay": "10ms" } });
    let subscription = subscribe(member, delivery).await;
    member.endpoints.behave(|call| Ok(answer(if numbers(std::slice::from_ref(call)) == [0] { 422 } else { 200 }, "")));
    confirmed(member, message("t", 0)).await;
    confirmed(member, message("t", 1)).await;
    let calls = member.endpoints.until("the second event", |calls| numbers(calls).contains(&1)).await;
    assert_eq!(numbers(&calls), [0, 0, 0, 1]);
    let poisoned = parked(member, subscription.id).await;
    assert_eq!((poisoned.len(), poisoned[0].tries), (1, 3));
    assert_eq!(member.namespace().drop_parked(subscription.id, Some(poisoned[0].event)).await.unwrap(), 1);
    assert!(parked(member, subscription.id).await.is_empty());
    member.namespace().delete_subscription(subscription.id).await.unwrap();
    let found = member.store.kv_scan(NAMESPACE, 12, b"", None, 10).await.unwrap();
    assert!(found.is_empty(), "a deleted subscription leaves nothing");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_slows_nobody_else() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    subscribe(member, json!({ "url": "http://dead", "delivery": { "guaranteed": true } })).await;
    let input = json!({ "name": "other", "transport": "webhooks", "filter": { "topic": "^t$" },
        "options": { "url": "http://alive" } });
    member.namespace().create_subscription(serde_json::from_value::<Input>(input).unwrap()).await.unwrap();
    member.endpoints.behave(|call| match call.url.as_str() {
        "http://dead" => Err(Error::TimedOut),
        _ => Ok(answer(200, "")),
    });
    for number in 0..5 {
        confirmed(member, message("t", number)).await;
    }
    let alive = |calls: &[Call]| calls.iter().filter(|call| call.url == "http://alive").count();
    member.endpoints.until("five calls", |calls| alive(calls) == 5).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_arrays_of_events() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let options = json!({ "batch": true, "readAhead": 2, "batchTimeout": "5s", "firstEvent": "newest" });
    let subscription = subscribe(member, options).await;
    assert_eq!(subscription.options.with_data, Some(false));
    member.endpoints.behave(|_| Ok(answer(500, "")));
    for number in 0..2 {
        confirmed(member, message("t", number)).await;
    }
    let parked = until_parked(member, subscription.id, 2).await;
    assert!(parked[0].sequence < parked[1].sequence);
    let calls = member.endpoints.calls();
    let count = |call: &Call| serde_json::from_slice::<Vec<Value>>(call.body.as_ref().unwrap()).unwrap().len();
    assert_eq!(calls.iter().map(count).sum::<usize>(), 2);
    network.stop().await;
}

async fn replies(member: &Member, original: &Message) -> Message {
    let (namespace, original) = (member.namespace().clone(), original.header.id);
    let waiting = async {
        loop {
            let read = namespace.store().read(NAMESPACE);
            let query = Query::filtered(Filter::everything());
            let found: Vec<Message> = read.find(&query).await.unwrap().items;
            if let Some(reply) = found.into_iter().find(|message| message.header.cid == Some(original)) {
                return reply;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("a reply in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_become_replies_once_and_replies_are_not_answered() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let subscription = subscribe(member, json!({ "reply": true, "replytag": "answered" })).await;
    member.endpoints.behave(|_| Ok(answer(418, r#"{"short":"stout"}"#)));
    let original = confirmed(member, message("t", 0)).await;
    let reply = replies(member, &original).await;
    assert_eq!((reply.header.tag.as_str(), &reply.header.topics[..]), ("answered", &["t".to_owned()][..]));
    let data = member.store.read(NAMESPACE).data(reply.data[0].id).await.unwrap().unwrap();
    let value: Value = data.value.unwrap().read().unwrap();
    assert_eq!((&value["status"], &value["body"]["short"]), (&json!(418), &json!("stout")));
    // The event again: it is called for again, and not answered twice.
    let sequence = member.events_after(-1).await.into_iter().find(|event| event.reference == Some(original.header.id));
    let before = sequence.unwrap().sequence - 1;
    member.namespace().seek(subscription.id, &before.to_string()).await.unwrap();
    member.endpoints.until("a second call", |calls| calls.len() == 2).await;
    confirmed(member, message("t", 1)).await;
    let calls = member.endpoints.until("a call for another message", |calls| calls.len() == 3).await;
    assert_eq!(numbers(&calls), [0, 0, 1], "the reply itself is not called for");
    assert!(parked(member, subscription.id).await.is_empty(), "a status is an answer");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_messages_are_answered_in_private() {
    let network = Network::registered(2).await;
    let (asking, answering) = (&network.members[0], &network.members[1]);
    let options = json!({ "reply": true, "replytag": "answered", "input": { "replytx": "how" } });
    subscribe(answering, options).await;
    for member in &network.members {
        let known = async |store: Store, did: &str| store.read(NAMESPACE).identity_by_did(did).await.unwrap().is_some();
        let both = |store: Store| async move {
            known(store.clone(), "did:firefly:node/node_0").await && known(store, "did:firefly:node/node_1").await
        };
        member.until("it knows both nodes", both).await;
    }
    for (how, tx_type) in [("unpinned", "unpinned"), ("true", "batch_pin")] {
        let body = json!({ "header": { "topics": ["t"] }, "data": [{ "value": { "how": how } }],
            "group": { "members": [{ "identity": "org_0" }, { "identity": "org_1" }] } });
        let original = asking.namespace().send_private(input(body), Some(DEADLINE)).await.unwrap();
        let reply = replies(asking, &original).await;
        let header = &reply.header;
        assert_eq!((header.group, header.tx_type.as_str()), (original.header.group, tx_type));
        assert_eq!((header.author.as_str(), header.tag.as_str()), ("did:firefly:org/org_1", "answered"));
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_signed_and_secrets_rotate() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let subscription = subscribe(member, json!({})).await;
    let namespace = member.namespace();
    let first = namespace.rotate_secret(subscription.id, None).await.unwrap();
    assert!(first.secret.starts_with("whsec_"));
    confirmed(member, message("t", 0)).await;
    let calls = member.endpoints.until("a call", |calls| calls.len() == 1).await;
    let event = member.events_after(-1).await.into_iter().rfind(|event| event.topic == "t").unwrap();
    assert_eq!(header(&calls[0], "webhook-id"), event.id.to_string());
    assert_eq!(header(&calls[0], "webhook-signature").matches("v1,").count(), 1);
    namespace.rotate_secret(subscription.id, None).await.unwrap();
    confirmed(member, message("t", 1)).await;
    let calls = member.endpoints.until("a call", |calls| calls.len() == 2).await;
    assert_eq!(header(&calls[1], "webhook-signature").matches("v1,").count(), 2, "both for a while");
    namespace.remove_secret(subscription.id).await.unwrap();
    confirmed(member, message("t", 2)).await;
    let calls = member.endpoints.until("a call", |calls| calls.len() == 3).await;
    assert_eq!(header(&calls[2], "webhook-signature"), "");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fast_acknowledgements_do_not_wait_for_calls() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    let subscription = subscribe(member, json!({ "fastack": true })).await;
    member.endpoints.behave(|_| Ok(answer(500, "")));
    for number in 0..3 {
        confirmed(member, message("t", number)).await;
    }
    assert_eq!(until_parked(member, subscription.id, 3).await.len(), 3, "what was not taken is not lost");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_webhooks_are_refused() {
    let network = Network::registered(1).await;
    let namespace = network.members[0].namespace();
    for (options, code) in [
        (json!({}), "FF10242"),
        (json!({ "url": "ftp://x" }), "FF10242"),
        (json!({ "url": "http://x", "tlsConfigName": "other" }), "FF10455"),
        (json!({ "url": "http://x", "batch": true, "withData": true }), "FF10460"),
        (json!({ "url": "http://x", "headers": { "a": 1 } }), "FF10243"),
    ] {
        let input = json!({ "name": "hook", "transport": "webhooks", "options": options });
        let refused = namespace.create_subscription(serde_json::from_value::<Input>(input).unwrap()).await;
        assert_eq!(refused.unwrap_err().code(), code, "{options}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_begin_at_a_time_and_can_be_moved() {
    let network = Network::registered(1).await;
    let member = &network.members[0];
    for number in 0..3 {
        confirmed(member, message("t", number)).await;
    }
    let events: Vec<_> = member.events_after(-1).await.into_iter().filter(|event| event.topic == "t").collect();
    let subscription = subscribe(member, json!({ "firstEvent": events[1].created.to_string() })).await;
    let calls = member.endpoints.until("two calls", |calls| calls.len() == 2).await;
    assert_eq!(numbers(&calls), [1, 2]);
    let namespace = member.namespace();
    assert_eq!(namespace.seek(subscription.id, "oldest").await.unwrap(), -1);
    let calls = member.endpoints.until("all again", |calls| calls.len() == 5).await;
    assert_eq!(numbers(&calls[2..]), [0, 1, 2]);
    namespace.seek(subscription.id, "newest").await.unwrap();
    confirmed(member, message("t", 3)).await;
    let calls = member.endpoints.until("the new one", |calls| calls.len() == 6).await;
    assert_eq!(numbers(&calls[5..]), [3]);
    assert_eq!(namespace.seek(subscription.id, "soon").await.unwrap_err().code(), "FF10191");
    assert_eq!(namespace.seek(Uuid::nil(), "oldest").await.unwrap_err().code(), "FF10109");
    network.stop().await;
}
