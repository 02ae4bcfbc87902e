//! What applications ask of their members.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use photinus_engine::{Namespace, data, definitions, operations::NetworkAction};
use photinus_model::{
    Hash, Uuid,
    data::Data,
    message::{Input, Message, TxType},
    pin::Pin,
};
use photinus_ports::{blockchain::Position, stream};
use photinus_query::{Filter, Query};
use serde_json::{Value, json};

use crate::{
    scenario::Deed,
    world::{Life, NAMESPACE, World, ledger::Ledger},
};

/// A message that a member accepted.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) member: usize,
    pub(crate) id: Uuid,
    /// How many messages had been accepted when this one was asked for. It stands behind all of them; beside those that were asked
    /// for before it was answered it may stand either way.
    pub(crate) behind: usize,
    pub(crate) group: Option<BTreeSet<usize>>,
    pub(crate) pinned: bool,
}

/// Whether a member knows the organisation and the node of every member.
pub(crate) async fn knows_all(namespace: &Namespace, members: usize) -> bool {
    let read = namespace.store().read(NAMESPACE);
    for index in 0..members {
        for did in [format!("did:firefly:org/org_{index}"), format!("did:firefly:node/node_{index}")] {
            if !matches!(read.identity_by_did(&did).await, Ok(Some(_))) {
                return false;
            }
        }
    }
    true
}

/// Registers a member's organisation, then its node.
pub(crate) async fn enrol(namespace: Namespace, world: Arc<World>, life: Arc<Life>) {
    let limit = Some(Duration::from_secs(30));
    let registering = async {
        match namespace.register_organization(limit).await {
            Ok(_) => world.note(&life, "has registered its organisation"),
            Err(error) => world.note(&life, format_args!("organisation: {}", error.code())),
        }
        match namespace.register_node(limit).await {
            Ok(_) => world.note(&life, "has registered its node"),
            Err(error) => world.note(&life, format_args!("node: {}", error.code())),
        }
    };
    life.until(registering).await;
}

fn input(body: &Value) -> Input {
    serde_json::from_str(&body.to_string()).expect("it is an input")
}

/// Has a member take a file of its own.
async fn keep(namespace: &Namespace, size: usize) -> Result<Data, data::Error> {
    let content = stream::once(Bytes::from(vec![u8::try_from(size % 251).unwrap_or_default(); size]));
    let received = namespace.receive_blob(data::Fields::default(), content).await?;
    namespace.keep_blob(received).await
}

/// Says something, and keeps what was accepted.
pub(crate) async fn speak(
    namespace: Namespace,
    life: Arc<Life>,
    world: Arc<World>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    deed: Deed,
) {
    let asked = || accepted.lock().len();
    let note = |behind: usize,
                group: Option<BTreeSet<usize>>,
                pinned: bool,
                result: Result<Message, photinus_engine::Error>| match result {
        Ok(message) => {
            let id = message.header.id;
            world.note(&life, format_args!("accepts {id}"));
            accepted.lock().push(Accepted { member: life.member, id, behind, group, pinned });
        }
        Err(error) => world.note(&life, format_args!("refuses: {}", error.describe())),
    };
    let speaking = async {
        match deed {
            Deed::Broadcast { topics, datatype, count } => {
                for number in 0..count {
                    let data = match &datatype {
                        None => json!([{ "value": number }]),
                        Some((name, right)) => json!([{
                            "datatype": { "name": name, "version": "1" },
                            "value": if *right { json!({ "size": number }) } else { json!({ "size": "wrong" }) },
                        }]),
                    };
                    let input = input(&json!({ "header": { "topics": topics }, "data": data }));
                    note(asked(), None, true, namespace.broadcast(input, None).await);
                }
            }
            Deed::Private { to, topics, pinned, count } => {
                let members: Vec<_> = to.iter().map(|index| json!({ "identity": format!("org_{index}") })).collect();
                for number in 0..count {
                    let mut input = input(&json!({
                        "header": { "topics": topics },
                        "group": { "members": members },
                        "data": [{ "value": number }],
                    }));
                    if !pinned {
                        input.header.tx_type = TxType::Unpinned;
                    }
                    note(asked(), Some(to.clone()), pinned, namespace.send_private(input, None).await);
                }
            }
            Deed::File { to, topics, size } => {
                let data = match keep(&namespace, size).await {
                    Ok(data) => data,
                    Err(error) => return world.note(&life, format_args!("refuses a file: {error}")),
                };
                let (behind, header) = (asked(), json!({ "topics": topics }));
                let data = json!([{ "id": data.id }]);
                match to {
                    None => {
                        let input = input(&json!({ "header": header, "data": data }));
                        note(behind, None, true, namespace.broadcast(input, None).await);
                    }
                    Some(to) => {
                        let members: Vec<_> =
                            to.iter().map(|index| json!({ "identity": format!("org_{index}") })).collect();
                        let input = json!({ "header": header, "group": { "members": members }, "data": data });
                        let sent = namespace.send_private(self::input(&input), None).await;
                        note(behind, Some(to), true, sent);
                    }
                }
            }
            Deed::Terminate => {
                let action = NetworkAction { kind: Some("terminate".to_owned()) };
                match namespace.network_action(action).await {
                    Ok(_) => world.note(&life, "ends the contract"),
                    Err(error) => world.note(&life, format_args!("does not end the contract: {error}")),
                }
            }
            Deed::Datatype { name } => {
                let value = json!({
                    "name": name, "version": "1", "value": {
                        "type": "object", "properties": { "size": { "type": "number" } }, "required": ["size"],
                    },
                });
                let input: definitions::DatatypeInput = serde_json::from_value(value).expect("it is a datatype");
                match namespace.publish_datatype(input, None).await {
                    Ok(datatype) => world.note(&life, format_args!("publishes datatype {:?}", datatype.id)),
                    Err(error) => world.note(&life, format_args!("refuses: {}", error.describe())),
                }
            }
            _ => {}
        }
    };
    life.until(speaking).await;
}

/// The highest block in which a member has decided anything. None when that cannot be told.
pub(crate) async fn decided_up_to(namespace: &Namespace, ledger: &Ledger) -> Option<u64> {
    let everything = Query::filtered(Filter::everything());
    let pins = namespace.store().read(NAMESPACE).find::<Pin>(&everything).await.ok()?.items;
    let decided: BTreeSet<Uuid> = pins.iter().filter(|pin| pin.dispatched).map(|pin| pin.batch).collect();
    let of = |uuids: &[u8; 32]| Uuid::from_slice(&uuids[16..]).is_ok_and(|batch| decided.contains(&batch));
    let pinned =
        ledger.logs_from(1).into_iter().filter(|mined| of(&mined.pin.uuids)).map(|mined| mined.place.block).max();
    let contracts = namespace.multiparty_status().await.ok()?.contracts;
    let ends = contracts.terminated.iter().filter_map(|contract| Position::parse(&contract.info.final_event));
    Some(pinned.max(ends.map(|end| end.block).max()).unwrap_or(0))
}

/// A digest of what a member holds: its events, and the states of its messages.
pub(crate) async fn state(namespace: &Namespace) -> Hash {
    let read = namespace.store().read(NAMESPACE);
    let events = read.last_event().await.unwrap_or(-1);
    let ready = read.ready_messages(None, 1_000).await.map_or(0, |found| found.len());
    let open = read.undispatched_pins(0, 10_000).await.map_or(0, |found| found.len());
    let waiting = read.unfinished_operations().await.map_or(0, |found| found.len());
    Hash::of(format!("{events} {ready} {open} {waiting}"))
}
