//! A network moves on to its next multiparty contract.

use std::time::Duration;

use photinus_model::{Uuid, event};
use photinus_ports::blockchain::{FirstEvent, PinEvent};
use photinus_testkit::{
    ledger::{CONTRACT, NEXT_CONTRACT},
    network::{Member, NAMESPACE, Network, key},
};
use serde_json::json;

use crate::inputs::{confirmed, decisions_on, message, sent, until_final};

/// What an organisation puts on the ledger to end the contract.
fn termination(signer: &str) -> PinEvent {
    PinEvent {
        signer: signer.to_owned(),
        action: "firefly:terminate".to_owned(),
        uuids: [0; 32],
        batch_hash: [0; 32],
        payload_ref: String::new(),
        contexts: Vec::new(),
    }
}

fn configure_next(member: &mut Member) {
    member.options.contracts.push(photinus_engine::options::Contract {
        location: json!({ "address": NEXT_CONTRACT }),
        first_event: FirstEvent::Oldest,
    });
}

/// Registered members that all know the next contract.
async fn ready_to_move(count: usize) -> Network {
    let mut network = Network::registered(count).await;
    for member in &mut network.members {
        member.stop().await;
        configure_next(member);
        member.start().await;
    }
    network
}

async fn until_on(member: &Member, contract: usize) {
    member
        .until("the next contract is taken up", |_| async {
            let status = member.namespace().multiparty_status().await.unwrap();
            status.contracts.active.contract.index == contract && status.contracts.active.status == "synced"
        })
        .await;
}

async fn check_order(network: &Network, topic: &str, ids: &[Uuid]) {
    for member in &network.members {
        until_final(member, ids).await;
    }
    let first = decisions_on(&network.members[0], topic).await;
    assert_eq!(first.len(), ids.len(), "each is told once");
    assert!(first.iter().all(|(kind, _)| *kind == event::Type::MessageConfirmed));
    for member in &network.members[1..] {
        assert_eq!(decisions_on(member, topic).await, first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_moves_on_at_the_same_position() {
    let network = ready_to_move(3).await;
    let mut ids = vec![confirmed(&network.members[0], message("t", "before")).await.header.id];
    let namespace = network.members[1].namespace();
    network.ledger.inject(termination(&key(1)));
    for member in &network.members {
        until_on(member, 1).await;
    }
    let contracts = namespace.status().await.unwrap().multiparty.contract;
    assert_eq!(contracts.terminated.len(), 1);
    let (old, new) = (&contracts.terminated[0], &contracts.active);
    assert_eq!(old.location.as_ref().unwrap().0["address"], CONTRACT);
    assert!(old.info.final_event.ends_with("/000000/000000"), "{old:?}");
    assert_eq!(new.location.as_ref().unwrap().0["address"], NEXT_CONTRACT);
    for (number, member) in network.members.iter().enumerate() {
        ids.push(confirmed(member, message("t", number)).await.header.id);
    }
    let pins = network.ledger.pins_by_contract();
    assert!(pins.iter().rev().take(3).all(|(contract, _)| contract == NEXT_CONTRACT));
    check_order(&network, "t", &ids).await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_that_comes_too_late_is_made_again() {
    let network = ready_to_move(3).await;
    network.ledger.hold();
    network.ledger.inject(termination(&key(0)));
    let mut ids = Vec::new();
    for member in &network.members {
        ids.push(sent(member, message("t", "late")).await);
    }
    for member in &network.members {
        member
            .until("the pin is on the old contract", |_| async {
                let author = key(member.index);
                let pins = network.ledger.pins();
                let end = pins.iter().position(|pin| pin.action == "firefly:terminate").unwrap();
                pins[end..].iter().any(|pin| pin.signer == author && !pin.contexts.is_empty())
            })
            .await;
    }
    network.ledger.release();
    check_order(&network, "t", &ids).await;
    let late = network.ledger.pins_by_contract();
    for id in ids {
        let store = &network.members[0].store;
        let batch = store.read(NAMESPACE).message(id).await.unwrap().unwrap().batch.unwrap();
        let contracts: Vec<_> =
            late.iter().filter(|(_, pin)| pin.uuids[16..] == *batch.as_bytes()).map(|(at, _)| at.as_str()).collect();
        assert_eq!(contracts, [CONTRACT, NEXT_CONTRACT], "once late, once again");
        let pins = store.read(NAMESPACE).pins_of(batch).await.unwrap();
        assert_eq!(pins.len(), 1, "the late one counts for nothing");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_moment_of_the_move_loses_nothing() {
    for round in 0..6_u64 {
        let mut network = ready_to_move(2).await;
        network.ledger.hold();
        network.ledger.inject(termination(&key(0)));
        let mut ids = Vec::new();
        for number in 0..5 {
            for member in &network.members {
                ids.push(sent(member, message("t", number)).await);
            }
        }
        network.ledger.release();
        // The moment is what this test leaves to chance.
        tokio::time::sleep(Duration::from_micros(400 * round * round)).await;
        for member in &mut network.members {
            member.crash().await;
            member.start().await;
        }
        for member in &network.members {
            until_on(member, 1).await;
        }
        ids.push(confirmed(&network.members[1], message("t", "after")).await.header.id);
        check_order(&network, "t", &ids).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_next_contract_the_intake_is_held_until_there_is_one() {
    let mut network = Network::registered(2).await;
    network.ledger.inject(termination(&key(0)));
    for member in &network.members {
        member
            .until("the hold shows", |_| async {
                let status = member.namespace().status().await.unwrap();
                status.multiparty.problem.is_some_and(|problem| problem.contains("no next one is configured"))
            })
            .await;
    }
    let id = sent(&network.members[1], message("t", "patient")).await;
    // A log behind the end that nobody takes.
    network.ledger.inject(PinEvent { contexts: vec![photinus_model::Hash::of("x")], ..termination(&key(0)) });
    let member = &network.members[0];
    member
        .until("the stream ends", |_| async {
            member.namespace().multiparty_status().await.unwrap().contracts.active.status == "unknown"
        })
        .await;
    // The operator adds the next contract.
    for member in &mut network.members {
        member.stop().await;
        configure_next(member);
        member.start().await;
    }
    for member in &network.members {
        until_on(member, 1).await;
        assert_eq!(member.namespace().status().await.unwrap().multiparty.problem, None);
    }
    check_order(&network, "t", &[id]).await;
    network.stop().await;
}

/// The ledger withdraws the end of a contract while nobody takes logs because of it. Where its block was the last that was taken
/// whole the adapter says so; where it was taken in part, only the logs themselves show it.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_the_ledger_withdraws_holds_nobody_up() {
    for at_once in [false, true] {
        let network = Network::registered(2).await;
        if at_once {
            network.ledger.hold();
        }
        let kept = network.ledger.pins().len() as u64;
        network.ledger.inject(termination(&key(0)));
        let behind = PinEvent { contexts: vec![photinus_model::Hash::of("x")], ..termination(&key(1)) };
        network.ledger.inject(behind);
        network.ledger.release();
        for member in &network.members {
            member
                .until("the intake is held", |_| async {
                    member.namespace().status().await.unwrap().multiparty.problem.is_some()
                })
                .await;
            member
                .until("the stream ends", |_| async {
                    member.namespace().multiparty_status().await.unwrap().contracts.active.status == "unknown"
                })
                .await;
        }
        let other = PinEvent { action: "firefly:nothing".to_owned(), ..termination(&key(1)) };
        network.ledger.fork(kept + 1, vec![other]);
        for member in &network.members {
            member
                .until("logs are taken again", |_| async {
                    member.namespace().status().await.unwrap().multiparty.problem.is_none()
                })
                .await;
            until_on(member, 0).await;
        }
        let id = confirmed(&network.members[0], message("t", "goes on")).await.header.id;
        check_order(&network, "t", &[id]).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_ends_nothing() {
    let network = ready_to_move(2).await;
    network.ledger.inject(termination("0x00000000000000000000000000000000000000ff"));
    let id = confirmed(&network.members[0], message("t", "still here")).await.header.id;
    check_order(&network, "t", &[id]).await;
    for member in &network.members {
        until_on(member, 0).await;
    }
    network.stop().await;
}
