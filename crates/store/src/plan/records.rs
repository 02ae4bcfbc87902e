//! The rules of each change of what is defined, of what happened on the ledger, and of those who listen.

use std::collections::HashSet;

use photinus_model::{
    Hash, Uuid, blockchain_event::BlockchainEvent, datatype::Datatype, event::Event, group::Group, identity::Identity,
    namespace::Namespace, nextpin::NextPin, pin::Pin, subscription::Subscription, verifier::Verifier,
};

use super::{
    Refusal, lookup,
    view::{View, conflict},
};
use crate::{
    change::{self, Change},
    error::What,
    noted::Happened,
    schema,
    value::{Cursor, Value},
};

impl View<'_> {
    pub(super) fn apply_record(&mut self, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::InsertBlockchainEvent { record, event } => self.insert_blockchain_event(record, event.as_ref()),
            Change::DeleteBlockchainEvent { protocol_id } => self.delete_blockchain_event(protocol_id),
            Change::InsertPins(pins) => self.insert_pins(pins),
            Change::MarkPinsDispatched(pins) => self.mark_pins(pins),
            Change::DeletePins { batch, sequences } => self.delete_pins(*batch, sequences),
            Change::UpsertIdentity(identity) => self.upsert_identity(identity),
            Change::UpsertVerifier(verifier) => self.upsert_verifier(verifier),
            Change::InsertDatatype(datatype) => self.insert_datatype(datatype),
            Change::UpsertGroup(group) => self.upsert_group(group),
            Change::InsertSubscription(subscription) => self.insert_subscription(subscription),
            Change::UpsertSubscription(subscription) => self.upsert_subscription(subscription),
            Change::DeleteSubscription(id) => self.delete_subscription(*id),
            Change::SetOffset { kind, name, current } => self.set_offset(kind, name, *current),
            Change::DeleteOffset { kind, name } => self.delete_offset(kind, name),
            Change::UpsertNamespace(namespace) => self.upsert_namespace(namespace),
            Change::UpsertNextPins(pins) => pins.iter().try_for_each(|pin| self.upsert_nextpin(pin)),
            Change::InsertEvent(event) => {
                self.emit(event);
                Ok(())
            }
            Change::PutKv { space, key, value } => {
                self.set_entry(*space, key, Some(value));
                Ok(())
            }
            Change::DeleteKv { space, key } => {
                self.set_entry(*space, key, None);
                Ok(())
            }
            other => Err(Refusal::Fault(format!("no rule for {other:?}"))),
        }
    }

    fn insert_blockchain_event(&mut self, record: &BlockchainEvent, event: Option<&Event>) -> Result<(), Refusal> {
        let key = vec![(&record.protocol_id).into()];
        let listener = Value::from(record.listener);
        if self.get(&lookup::BLOCKCHAIN_EVENTS, key.clone())?.iter().any(|row| row[1] == listener) {
            return Ok(());
        }
        let seq = self.insert(record);
        self.add(&lookup::BLOCKCHAIN_EVENTS, key, vec![seq.into(), listener, record.id.into()])?;
        if let Some(event) = event {
            self.emit(event);
        }
        Ok(())
    }

    fn delete_blockchain_event(&mut self, protocol_id: &str) -> Result<(), Refusal> {
        let key = vec![protocol_id.into()];
        let rows = self.get(&lookup::BLOCKCHAIN_EVENTS, key.clone())?.to_vec();
        let (gone, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1] == Value::Null);
        for row in gone {
            if let (Value::Int(seq), Value::Uuid(id)) = (&row[0], &row[2]) {
                self.delete(&schema::BLOCKCHAIN_EVENTS, *seq);
                self.note(&schema::BLOCKCHAIN_EVENTS, Happened::Deleted, *id);
            }
        }
        self.set(&lookup::BLOCKCHAIN_EVENTS, key, left);
        Ok(())
    }

    fn delete_pins(&mut self, batch: Uuid, sequences: &[i64]) -> Result<(), Refusal> {
        let key = vec![batch.into()];
        let rows = self.get(&lookup::PINS, key.clone())?.to_vec();
        let (gone, left): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|row| matches!(row[0], Value::Int(seq) if sequences.contains(&seq)));
        for row in gone {
            if let Value::Int(seq) = row[0] {
                self.delete(&schema::PINS, seq);
            }
        }
        self.set(&lookup::PINS, key, left);
        Ok(())
    }

    fn insert_pins(&mut self, pins: &[Pin]) -> Result<(), Refusal> {
        for same in pins.chunk_by(|one, other| one.batch == other.batch) {
            let key: Vec<Value> = vec![same[0].batch.into()];
            let mut rows = self.get(&lookup::PINS, key.clone())?.to_vec();
            let mut known: HashSet<[Value; 3]> =
                rows.iter().map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect();
            for pin in same {
                let place = [pin.batch_hash.into(), pin.index.into(), pin.hash.into()];
                if !known.insert(place.clone()) {
                    continue;
                }
                let seq = self.insert(pin);
                rows.push([Value::Int(seq)].into_iter().chain(place).collect());
            }
            self.set(&lookup::PINS, key, rows);
        }
        Ok(())
    }

    fn mark_pins(&mut self, pins: &change::Dispatched) -> Result<(), Refusal> {
        let batch_hash = Value::from(pins.batch_hash);
        let rows = self.get(&lookup::PINS, vec![pins.batch.into()])?;
        let wanted = |row: &&Vec<Value>| {
            row[1] == batch_hash && matches!(row[2], Value::Int(index) if pins.indexes.contains(&index))
        };
        let found: Vec<i64> = rows
            .iter()
            .filter(wanted)
            .filter_map(|row| if let Value::Int(seq) = row[0] { Some(seq) } else { None })
            .collect();
        for seq in found {
            self.update(&schema::PINS, seq, vec![("dispatched", true.into())])?;
        }
        Ok(())
    }

    fn upsert_identity(&mut self, identity: &Identity) -> Result<(), Refusal> {
        let key = vec![(&identity.did).into()];
        match self.first(&lookup::IDENTITIES, key.clone())? {
            Some(seq) => self.replace(seq, identity),
            None => {
                let seq = self.insert(identity);
                self.set(&lookup::IDENTITIES, key, vec![vec![seq.into()]]);
            }
        }
        Ok(())
    }

    fn upsert_verifier(&mut self, verifier: &Verifier) -> Result<(), Refusal> {
        let key = vec![verifier.kind.as_str().into(), Hash::of(&verifier.value).into()];
        match self.first(&lookup::VERIFIERS, key.clone())? {
            Some(seq) => self.replace(seq, verifier),
            None => {
                let seq = self.insert(verifier);
                self.set(&lookup::VERIFIERS, key, vec![vec![seq.into()]]);
            }
        }
        Ok(())
    }

    fn insert_datatype(&mut self, datatype: &Datatype) -> Result<(), Refusal> {
        let key = vec![(&datatype.name).into(), (&datatype.version).into()];
        if self.first(&lookup::DATATYPES, key.clone())?.is_none() {
            let seq = self.insert(datatype);
            self.set(&lookup::DATATYPES, key, vec![vec![seq.into()]]);
        }
        Ok(())
    }

    fn upsert_group(&mut self, group: &Group) -> Result<(), Refusal> {
        let key = vec![group.hash.into()];
        if group.hash.is_none() {
            return Err(Refusal::Fault("a group without a hash".to_owned()));
        }
        match self.first(&lookup::GROUPS, key.clone())? {
            Some(seq) => self.replace(seq, group),
            None => {
                let seq = self.insert(group);
                self.set(&lookup::GROUPS, key, vec![vec![seq.into()]]);
            }
        }
        Ok(())
    }

    fn insert_subscription(&mut self, subscription: &Subscription) -> Result<(), Refusal> {
        let key = vec![(&subscription.name).into()];
        let known = self.found(&lookup::SUBSCRIPTIONS, key, |row| {
            row.skip()?;
            row.uuid()
        })?;
        match known.first() {
            Some(existing) => Err(conflict(What::SubscriptionName, &subscription.name, Some(*existing))),
            None => {
                self.new_subscription(subscription);
                Ok(())
            }
        }
    }

    fn new_subscription(&mut self, subscription: &Subscription) {
        let seq = self.insert(subscription);
        self.know_subscription(seq, subscription);
    }

    fn know_subscription(&mut self, seq: i64, subscription: &Subscription) {
        let (id, name) = (Value::from(subscription.id), Value::from(&subscription.name));
        self.set(&lookup::SUBSCRIPTIONS, vec![name.clone()], vec![vec![seq.into(), id.clone()]]);
        self.set(&lookup::SUBSCRIPTION_IDS, vec![id], vec![vec![seq.into(), name]]);
    }

    fn upsert_subscription(&mut self, subscription: &Subscription) -> Result<(), Refusal> {
        match self.first(&lookup::SUBSCRIPTIONS, vec![(&subscription.name).into()])? {
            Some(seq) => {
                self.replace(seq, subscription);
                self.know_subscription(seq, subscription);
            }
            None => self.new_subscription(subscription),
        }
        Ok(())
    }

    fn delete_subscription(&mut self, id: Uuid) -> Result<(), Refusal> {
        let key = vec![id.into()];
        let rows = self.get(&lookup::SUBSCRIPTION_IDS, key.clone())?.to_vec();
        for row in rows {
            if let Value::Int(seq) = row[0] {
                self.delete(&schema::SUBSCRIPTIONS, seq);
                self.note(&schema::SUBSCRIPTIONS, Happened::Deleted, id);
            }
            // Only sets that name the subscription otherwise have had it loaded by name; to others it cannot matter.
            self.set(&lookup::SUBSCRIPTIONS, vec![row[1].clone()], Vec::new());
        }
        self.set(&lookup::SUBSCRIPTION_IDS, key, Vec::new());
        Ok(())
    }

    fn set_offset(&mut self, kind: &str, name: &str, current: i64) -> Result<(), Refusal> {
        let key = vec![kind.into(), name.into()];
        match self.first(&lookup::OFFSETS, key.clone())? {
            Some(seq) => self.update(&schema::OFFSETS, seq, vec![("current", current.into())]),
            None => {
                let seq = self.insert_row(&schema::OFFSETS, vec![kind.into(), name.into(), current.into()]);
                self.set(&lookup::OFFSETS, key, vec![vec![seq.into()]]);
                Ok(())
            }
        }
    }

    fn delete_offset(&mut self, kind: &str, name: &str) -> Result<(), Refusal> {
        let key = vec![kind.into(), name.into()];
        for seq in self.found(&lookup::OFFSETS, key.clone(), Cursor::int)? {
            self.delete(&schema::OFFSETS, seq);
        }
        self.set(&lookup::OFFSETS, key, Vec::new());
        Ok(())
    }

    fn upsert_namespace(&mut self, namespace: &Namespace) -> Result<(), Refusal> {
        let values = vec![
            ("networkname", (&namespace.network_name).into()),
            ("description", (&namespace.description).into()),
            ("created", namespace.created.into()),
        ];
        self.update(&schema::NAMESPACES, self.ns, values)
    }

    fn upsert_nextpin(&mut self, pin: &NextPin) -> Result<(), Refusal> {
        let key = vec![pin.context.into(), (&pin.identity).into()];
        match self.first(&lookup::NEXTPINS, key.clone())? {
            Some(seq) => self.replace(seq, pin),
            None => {
                let seq = self.insert(pin);
                self.set(&lookup::NEXTPINS, key, vec![vec![seq.into()]]);
            }
        }
        Ok(())
    }
}
