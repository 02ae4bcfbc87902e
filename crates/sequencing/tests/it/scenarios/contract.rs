//! The end of a contract.

use std::sync::Arc;

use photinus_sequencing::decision::{Alarm, Contract};
use photinus_sequencing::explain::Admission;
use photinus_sequencing::facts::{Action, Event, Fact};

use crate::member::Member;
use crate::network::{Network, child, key, org_did};

fn start(contracts: u32) -> (Network, Member) {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.rules.contracts = contracts;
    member.feed(&net.register("a", 1));
    (net, member)
}

fn terminate(net: &mut Network, signer: &str) -> Action {
    Action { pos: net.pos(), contract: 0, signer: key(signer), action: "firefly:terminate".to_owned() }
}

fn on(contract: u32, fact: &Fact) -> Fact {
    let Fact::Pinned(event) = fact else { unreachable!() };
    Fact::Pinned(Arc::new(Event { contract, ..Event::clone(event) }))
}

/// 29
#[test]
fn values_of_a_contract_count_up_to_its_end() {
    let (mut net, mut member) = start(2);
    let messages: Vec<_> = (0..4).map(|_| net.broadcast(&["t"])).collect();
    let send = |net: &mut Network, which: usize| net.send(&org_did("a"), &key("a"), &messages[which]);
    let ([c0, before], [c1, early_next]) = (send(&mut net, 0), send(&mut net, 1));
    let end = terminate(&mut net, "a");
    let ([c2, late], [c3, next]) = (send(&mut net, 2), send(&mut net, 3));
    let early_next = on(1, &early_next);
    member.feed([&c0, &c1, &c2, &c3, &before, &early_next]);
    assert_eq!(member.admission(0, end.pos), Admission::Taken);
    member.take(&Fact::Action(end.clone()));
    let Fact::Pinned(last) = &next else { unreachable!() };
    assert_eq!(member.admission(0, last.pos), Admission::Never);
    assert_eq!(member.admission(1, last.pos), Admission::Taken);
    assert_eq!(member.admission(0, end.pos), Admission::Taken, "it is known");
    member.feed([&Fact::Action(end.clone()), &early_next, &late, &on(1, &next)]);
    assert_eq!(member.contract(), [Contract::Ended { contract: 0, at: end.pos }]);
    assert_eq!(member.order(&messages.iter().collect::<Vec<_>>()), [0, 3]);
    let wrong = member.alarms().iter().filter(|alarm| matches!(alarm, Alarm::WrongContract { .. })).count();
    assert_eq!(wrong, 3);
}

/// 30
#[test]
fn a_termination_waits_for_what_its_signer_did_before() {
    let (mut net, mut member) = (Network::new(), Member::default());
    member.rules.contracts = 2;
    let [claim, pin] = net.register("a", 1);
    let end = terminate(&mut net, "a");
    let message = net.broadcast(&["t"]);
    let [content, after] = net.send(&org_did("a"), &key("a"), &message);
    let after = on(1, &after);
    let Fact::Pinned(event) = &after else { unreachable!() };
    member.feed([&pin, &Fact::Action(end.clone()), &after, &content]);
    assert_eq!(member.contract(), [Contract::Hold { at: end.pos }, Contract::NotTaken { pos: event.pos }]);
    member.restart();
    assert_eq!(member.admission(1, event.pos), Admission::Held);
    member.take(&claim);
    assert_eq!(member.contract().last(), Some(&Contract::Ended { contract: 0, at: end.pos }));
    member.take(&after);
    member.assert_confirmed(&message);
}

/// 30
#[test]
fn only_a_root_organisation_ends_a_contract() {
    let (mut net, mut member) = start(2);
    let identity = child("c", 3, 1);
    let claim = net.claim(&identity, None);
    let verification = net.verification(&claim, &identity);
    member.feed(&net.send(&org_did("c"), &key("c"), &claim));
    member.feed(&net.send(&org_did("a"), &key("a"), &verification));
    for signer in ["c", "stranger"] {
        let action = terminate(&mut net, signer);
        member.take(&Fact::Action(action));
    }
    let other = Action { action: "firefly:other".to_owned(), ..terminate(&mut net, "a") };
    member.take(&Fact::Action(other));
    assert_eq!(member.contract(), []);
    assert!(member.alarms().is_empty());
    let message = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.assert_confirmed(&message);
}

/// 30
#[test]
fn an_end_without_a_next_contract_holds_the_intake() {
    let (mut net, mut member) = start(1);
    let end = terminate(&mut net, "a");
    let message = net.broadcast(&["t"]);
    let [content, pin] = net.send(&org_did("a"), &key("a"), &message);
    let pin = on(1, &pin);
    member.feed([&Fact::Action(end.clone()), &content, &pin]);
    assert_eq!(member.alarms(), [&Alarm::NoNextContract { at: end.pos }]);
    assert_eq!(member.verdict(&message), None);
    // The operator configures the next one and starts the node again.
    member.rules.contracts = 2;
    member.restart();
    assert_eq!(member.contract().last(), Some(&Contract::Ended { contract: 0, at: end.pos }));
    member.take(&pin);
    member.assert_confirmed(&message);
}

#[test]
fn a_termination_that_cannot_be_judged_is_ignored_without_a_next_contract() {
    let (mut net, mut member) = start(1);
    let junk = net.lost(&key("b"), &["junk"]);
    let end = terminate(&mut net, "b");
    member.feed([&Fact::Pinned(junk), &Fact::Action(end.clone())]);
    assert_eq!(member.alarms(), [&Alarm::TerminationIgnored { at: end.pos }]);
    let message = net.broadcast(&["t"]);
    member.feed(&net.send(&org_did("a"), &key("a"), &message));
    member.assert_confirmed(&message);
}

/// 32, with an action on the fork
#[test]
fn a_held_termination_may_be_withdrawn() {
    let (mut net, mut member) = start(2);
    let junk = net.lost(&key("b"), &["junk"]);
    let end = terminate(&mut net, "b");
    let message = net.broadcast(&["t"]);
    let sent = net.send(&org_did("a"), &key("a"), &message);
    member.feed([&Fact::Pinned(junk), &Fact::Action(end.clone()), &Fact::Retracted(end.pos)]);
    assert_eq!(member.contract(), [Contract::Hold { at: end.pos }, Contract::Resume { at: end.pos }]);
    member.feed(&sent);
    member.assert_confirmed(&message);
}
