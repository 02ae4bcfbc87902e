//! What a log of the multiparty contract means.
//!
//! The adapter has decoded the log; nothing in it is believed yet. A log that no member can use is dropped with a reason,
//! as every member drops it, so that it orders nothing anywhere.

use std::sync::Arc;

use photinus_model::{Hash, Uuid, transaction};
use photinus_ports::blockchain::{Log, Position};
use photinus_sequencing::{
    facts::{Action, BatchKey, Event, Pos, Release},
    text::Signer,
};

/// What network actions begin with.
const ACTION_PREFIX: &str = "firefly:";
/// The action that votes to give up the event at the position in its payload.
const RELEASE: &str = "firefly:release";
/// The third field of a pin that came through `pinBatch`.
const BATCH_PIN: &str = "firefly:batch_pin";
/// The third field of a pin that travelled in a custom contract's call.
const CONTRACT_INVOKE_PIN: &str = "firefly:contract_invoke_pin";

/// A log, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A batch was pinned under a transaction of this type.
    Pin(Arc<Event>, transaction::Type),
    /// The network as a whole is asked for something.
    Action(Action),
    /// A vote to give up an event.
    Release(Release),
    /// Nothing that orders anything.
    Nothing(&'static str),
}

/// The position that the machine orders by.
pub(crate) fn pos(position: Position) -> Pos {
    Pos { block: position.block, tx: position.transaction, log: position.log }
}

/// Understands a log of the contract with this index and version. Version 1 carries the network namespace in the place
/// where version 2 has the action, and one contract serves several networks.
pub(crate) fn read(log: &Log, contract: u32, version: u8, network_namespace: &str) -> Meaning {
    let (pin, signer) = (&log.pin, Signer::from(log.pin.signer.as_str()));
    if pin.contexts.is_empty() && pin.action.starts_with(ACTION_PREFIX) && pin.action != BATCH_PIN {
        let target = (pin.action == RELEASE).then(|| Position::parse(&pin.payload_ref)).flatten();
        if let Some(target) = target {
            return Meaning::Release(Release { pos: pos(log.position), contract, signer, target: self::pos(target) });
        }
        return Meaning::Action(Action { pos: pos(log.position), contract, signer, action: pin.action.clone() });
    }
    if version < 2 && pin.action != network_namespace {
        return Meaning::Nothing("it belongs to another network namespace of the contract");
    }
    // Ids of zeroes are legal: other members give such a batch its place, so this one does.
    let (tx, batch) = halves(&pin.uuids);
    let kind = if pin.action == CONTRACT_INVOKE_PIN {
        transaction::Type::ContractInvokePin
    } else {
        transaction::Type::BatchPin
    };
    let event = Event {
        pos: pos(log.position),
        contract,
        tx,
        batch: BatchKey { id: batch, hash: Hash::from(pin.batch_hash) },
        payload_ref: pin.payload_ref.clone(),
        signer,
        values: pin.contexts.clone(),
    };
    Meaning::Pin(Arc::new(event), kind)
}

/// Transaction id and batch id: the two halves of `uuids`, in this order.
fn halves(uuids: &[u8; 32]) -> (Uuid, Uuid) {
    let whole = |half: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&uuids[half * 16..half * 16 + 16]);
        Uuid::from_bytes(bytes)
    };
    (whole(0), whole(1))
}

#[cfg(test)]
mod tests {
    use photinus_model::Time;
    use photinus_ports::blockchain::PinEvent;
    use serde_json::Map;

    use super::*;

    fn log(action: &str, contexts: Vec<Hash>) -> Log {
        let mut uuids = [1; 32];
        uuids[16..].fill(2);
        Log {
            position: Position { block: 5, transaction: 1, log: 2 },
            name: "BatchPin".into(),
            transaction_hash: "0xaa".into(),
            timestamp: Time::from_unix_nanos(0),
            output: Map::new(),
            info: Map::new(),
            pin: PinEvent {
                signer: "0x01".into(),
                action: action.into(),
                uuids,
                batch_hash: [3; 32],
                payload_ref: "Qm".into(),
                contexts,
            },
        }
    }

    fn pinned(meaning: Meaning) -> (Arc<Event>, transaction::Type) {
        match meaning {
            Meaning::Pin(event, kind) => (event, kind),
            other => panic!("{other:?} is not a pin"),
        }
    }

    #[test]
    fn the_transaction_comes_before_the_batch() {
        let (event, kind) = pinned(read(&log(BATCH_PIN, vec![Hash::of("t")]), 0, 2, "net"));
        assert_eq!((event.tx, event.batch.id), (Uuid::from_bytes([1; 16]), Uuid::from_bytes([2; 16])));
        assert_eq!(event.pos, Pos { block: 5, tx: 1, log: 2 });
        assert_eq!(kind, transaction::Type::BatchPin);
        let (_, kind) = pinned(read(&log(CONTRACT_INVOKE_PIN, vec![Hash::of("t")]), 0, 2, "net"));
        assert_eq!(kind, transaction::Type::ContractInvokePin);
    }

    #[test]
    fn actions_have_no_contexts() {
        let Meaning::Action(action) = read(&log("firefly:terminate", vec![]), 3, 2, "net") else { panic!("an action") };
        assert_eq!((action.action.as_str(), action.contract), ("firefly:terminate", 3));
        assert!(matches!(read(&log("firefly:terminate", vec![Hash::of("t")]), 0, 2, "net"), Meaning::Pin(..)));
    }

    #[test]
    fn a_release_names_a_position() {
        let mut vote = log(RELEASE, vec![]);
        vote.pin.payload_ref = "000000000004/000001/000007".into();
        let Meaning::Release(release) = read(&vote, 0, 2, "net") else { panic!("a release") };
        assert_eq!(release.target, Pos { block: 4, tx: 1, log: 7 });
        for wrong in ["", "4/1", "4/1/7/0", "a/1/7", "+4/1/7"] {
            vote.pin.payload_ref = wrong.into();
            assert!(matches!(read(&vote, 0, 2, "net"), Meaning::Action(_)), "{wrong}");
        }
    }

    #[test]
    fn version_one_contracts_serve_several_networks() {
        assert!(matches!(read(&log("other", vec![Hash::of("t")]), 0, 1, "net"), Meaning::Nothing(_)));
        assert!(matches!(read(&log("net", vec![Hash::of("t")]), 0, 1, "net"), Meaning::Pin(..)));
    }
}
