//! Datatypes, contract interfaces and APIs, token pools, and payloads that define nothing.

use photinus_sequencing::Reason;
use photinus_sequencing::decision::{Code, Decision, EventKind, Topic};
use photinus_sequencing::facts::Fact;
use photinus_sequencing::facts::content::Message;
use photinus_sequencing::facts::definition::Definition;

use crate::member::Member;
use crate::network::{Network, context, key, named_topic, org_did, uuid};

fn start() -> (Network, Member) {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.feed(&net.register("a", 1));
    (net, member)
}

fn send(net: &mut Network, message: &Message) -> [Fact; 2] {
    net.send(&org_did("a"), &key("a"), message)
}

/// A typed message that conforms to its datatype, or not.
fn typed(net: &mut Network, conforms: bool) -> Message {
    loop {
        let message = net.typed(&["t"], "widget", "1");
        if message.data[0].key.id.as_u128().is_multiple_of(2) == conforms {
            return message;
        }
        net.fresh();
    }
}

#[test]
fn a_value_must_conform_to_its_datatype() {
    let (mut net, mut member) = start();
    let datatype = net.datatype("widget", "1");
    member.feed(&send(&mut net, &datatype));
    assert_eq!(member.event_kinds(&datatype), [EventKind::DatatypeConfirmed, EventKind::MessageConfirmed]);
    let (good, bad) = (typed(&mut net, true), typed(&mut net, false));
    member.feed(&send(&mut net, &bad));
    member.feed(&send(&mut net, &good));
    member.assert_rejected(&bad, Code::SchemaInvalid);
    member.assert_confirmed(&good);
}

/// 20
#[test]
fn a_name_is_defined_once() {
    let (mut net, mut member) = start();
    let first = net.datatype("widget", "1");
    let (again, other) = (net.datatype("widget", "1"), net.datatype("widget", "2"));
    for message in [&first, &again, &other] {
        member.feed(&send(&mut net, message));
    }
    member.assert_rejected(&again, Code::Exists);
    member.assert_confirmed(&other);
}

/// 21
#[test]
fn a_message_waits_for_a_datatype_that_stands_below_it() {
    let (mut net, mut member) = start();
    let datatype = net.datatype("widget", "1");
    let message = typed(&mut net, true);
    let [late, pin] = send(&mut net, &datatype);
    member.take(&pin);
    member.feed(&send(&mut net, &message));
    let topic = context(&named_topic("datatype", "widget"));
    assert!(matches!(member.closed(&context("t")), Some((_, Reason::Below(found, _))) if found == topic));
    member.take(&late);
    member.assert_confirmed(&message);
}

#[test]
fn a_datatype_that_is_known_is_not_waited_for() {
    let (mut net, mut member) = start();
    let (datatype, message) = (net.datatype("widget", "1"), typed(&mut net, true));
    let [late, pin] = send(&mut net, &datatype);
    let junk = net.lost(&key("x"), &[&named_topic("datatype", "widget")]);
    member.feed([&pin, &Fact::Pinned(junk)]);
    member.feed(&send(&mut net, &message));
    assert_eq!(member.verdict(&message), None);
    member.take(&late);
    member.assert_confirmed(&message);
}

#[test]
fn a_datatype_that_stands_above_a_message_does_not_count() {
    let (mut net, mut member) = start();
    let (datatype, message) = (net.datatype("widget", "1"), typed(&mut net, true));
    let [content, pin] = send(&mut net, &message);
    member.take(&pin);
    member.feed(&send(&mut net, &datatype));
    member.take(&content);
    member.assert_rejected(&message, Code::DatatypeUnknown);
}

#[test]
fn a_definition_on_another_topic_is_rejected() {
    let (mut net, mut member) = start();
    let mut messages =
        vec![net.datatype("x", "1"), net.interface(5, "x", "1"), net.api("x", 5), net.pool(7, "x", "erc20")];
    let mut twice = net.datatype("x", "1");
    twice.topics.push("t".to_owned());
    for message in &mut messages {
        message.topics = vec!["t".to_owned()];
    }
    messages.push(twice);
    for message in &messages {
        member.feed(&send(&mut net, message));
        member.assert_rejected(message, Code::Topic);
    }
}

#[test]
fn a_legacy_topic_counts_where_the_network_has_them() {
    for (namespace, code) in [(Some("old".to_owned()), None), (None, Some(Code::Topic))] {
        let (mut net, mut member) = start();
        member.rules.legacy_namespace = namespace;
        let mut datatype = net.datatype("widget", "1");
        datatype.topics = vec![named_topic("datatype", "oldwidget")];
        let message = typed(&mut net, true);
        let [late, pin] = send(&mut net, &datatype);
        member.take(&pin);
        member.feed(&send(&mut net, &message));
        member.take(&late);
        match code {
            None => member.assert_confirmed(&message),
            Some(code) => {
                member.assert_rejected(&datatype, code);
                member.assert_rejected(&message, Code::DatatypeUnknown);
            }
        }
    }
}

/// 20
#[test]
fn a_payload_that_defines_nothing_is_rejected_at_its_place() {
    let (mut net, mut member) = start();
    let mut no_data = net.datatype("x", "1");
    no_data.data.clear();
    let mut nothing = net.datatype("x", "1");
    nothing.definition = None;
    let cases = [
        (net.definition("t", Definition::Malformed(Code::Invalid)), Code::Invalid),
        (net.definition("t", Definition::UnknownTag), Code::UnknownTag),
        (no_data, Code::Payload),
        (nothing, Code::UnknownTag),
    ];
    for (message, code) in &cases {
        member.feed(&send(&mut net, message));
        member.assert_rejected(message, *code);
    }
    let after = net.broadcast(&["t"]);
    member.feed(&send(&mut net, &after));
    member.assert_confirmed(&after);
}

#[test]
fn an_api_needs_its_interface() {
    let (mut net, mut member) = start();
    let (interface, api, orphan) = (net.interface(5, "simple", "1"), net.api("shop", 5), net.api("ghost", 6));
    for message in [&interface, &api, &orphan] {
        member.feed(&send(&mut net, message));
    }
    assert_eq!(member.event_kinds(&interface), [EventKind::InterfaceConfirmed, EventKind::MessageConfirmed]);
    let topic = &member.decided().find(|decided| decided.message == interface.key).unwrap().events[0].topic;
    assert_eq!(*topic, Topic::Interface("simple".to_owned()));
    assert_eq!(member.event_kinds(&api), [EventKind::ApiConfirmed, EventKind::MessageConfirmed]);
    member.assert_rejected(&orphan, Code::Invalid);
    let (again, same) = (net.interface(8, "simple", "1"), net.api("shop", 5));
    for message in [&again, &same] {
        member.feed(&send(&mut net, message));
        member.assert_rejected(message, Code::Exists);
    }
}

/// 21, for contract APIs
#[test]
fn an_api_waits_while_its_interface_may_stand_below_it() {
    let (mut net, mut member) = start();
    let (interface, other, api) = (net.interface(5, "simple", "1"), net.broadcast(&["x"]), net.api("shop", 5));
    let [other_content, other_pin] = send(&mut net, &other);
    let [interface_content, interface_pin] = send(&mut net, &interface);
    let junk = net.lost(&key("x"), &[interface.topics[0].as_str()]);
    let mut second = net.interface(5, "simple", "2");
    second.topics = interface.topics.clone();
    member.feed([&other_pin, &interface_pin, &Fact::Pinned(junk.clone())]);
    member.feed(&send(&mut net, &second));
    let [api_content, api_pin] = send(&mut net, &api);
    member.feed([&api_content, &api_pin]);
    let Fact::Pinned(event) = &api_pin else { unreachable!() };
    let reason = Reason::Interface(uuid(5), event.place(0));
    member.assert_waits(&api, &reason);
    member.take(&other_content);
    member.assert_waits(&api, &reason);
    // Now it is known: no need to wait for what else is missing.
    member.take(&interface_content);
    member.assert_confirmed(&interface);
    member.assert_confirmed(&api);
    assert_eq!(member.verdict(&second), None);
    assert_eq!(member.missing(10).len(), 1);
}

#[test]
fn an_api_waits_for_an_interface_that_waits() {
    let (mut net, mut member) = start();
    let (interface, api) = (net.interface(5, "simple", "1"), net.api("shop", 5));
    let blob = photinus_model::Hash::of("blob");
    let mut interface = interface;
    interface.data[0].blob = Some(blob);
    member.feed(&send(&mut net, &interface));
    member.feed(&send(&mut net, &api));
    assert!(matches!(
        member.closed(&context(&named_topic("contractapi", "shop"))),
        Some((_, Reason::Interface(id, _))) if id == uuid(5)
    ));
    member.take(&Fact::BlobHeld(blob));
    member.assert_confirmed(&api);
}

#[test]
fn a_pool_counts_when_it_is_active() {
    let (mut net, mut member) = start();
    member.rules.connectors.insert("erc20".to_owned());
    let (pool, foreign) = (net.pool(70, "gold", "erc20"), net.pool(80, "silver", "other"));
    member.feed(&send(&mut net, &pool));
    member.feed(&send(&mut net, &foreign));
    member.assert_rejected(&foreign, Code::Connector);
    member.assert_waits(&pool, &Reason::Pool(uuid(70)));
    member.take(&Fact::PoolActive(uuid(70)));
    member.assert_confirmed(&pool);
    let decided = member.decided().find(|decided| decided.message == pool.key).unwrap();
    assert_eq!(decided.events[0].kind, EventKind::PoolConfirmed);
    assert_eq!(decided.events[0].tx, Some(uuid(71)));
    assert_eq!(decided.events[1].correlator, Some(uuid(70)));
    let activations =
        member.decisions.iter().filter(|decision| matches!(decision, Decision::ActivatePool { .. })).count();
    assert_eq!(activations, 1);
    let again = net.pool(70, "gold", "erc20");
    member.feed(&send(&mut net, &again));
    member.assert_rejected(&again, Code::Exists);
}
