//! The rules of each change of messages, data, batches, transactions and operations. The rest is in `records`.

use std::collections::BTreeSet;

use photinus_model::{
    Uuid, batch,
    blob::Blob,
    data::Data,
    message::Message,
    operation::{Operation, Status},
    transaction::Transaction,
};

use super::{
    Refusal, lookup,
    view::{View, conflict, wrong_state},
};
use crate::{
    change::{self, Change},
    error::What,
    noted::Happened,
    schema,
    value::{Cursor, Value, join},
};

impl View<'_> {
    /// Applies a change, or says what is in its way.
    pub(super) fn apply(&mut self, change: &Change) -> Result<(), Refusal> {
        match change {
            Change::InsertMessage(message) => self.insert_message(message),
            Change::KeepMessage(message) => self.keep_message(message),
            Change::UpdateMessage(update) => self.update_message(update),
            Change::InsertData(data) => self.insert_data(data),
            Change::UpdateData(update) => self.update_data(update),
            Change::DeleteData(id) => self.delete_data(*id),
            Change::DeleteMessage { id, hash } => self.delete_message(*id, (*hash).into()),
            Change::DropData { id, hash } => self.drop_one(&lookup::DATA, *id, &(*hash).into()),
            Change::DeleteBatch { id, hash } => self.drop_one(&lookup::BATCHES, *id, &(*hash).into()),
            Change::InsertBlob(blob) => self.insert_blob(blob),
            Change::DeleteBlob { hash, payload_ref } => self.delete_blob((*hash).into(), payload_ref),
            Change::InsertBatch(batch) => self.insert_batch(batch),
            Change::ConfirmBatch { id, hash, confirmed } => {
                self.confirm_batch(*id, (*hash).into(), (*confirmed).into())
            }
            Change::InsertTransaction(transaction) => self.insert_transaction(transaction),
            Change::KeepTransaction(transaction) => self.keep_transaction(transaction),
            Change::AddBlockchainIds { tx, ids } => self.add_blockchain_ids(*tx, ids),
            Change::InsertOperation(operation) => self.insert_operation(operation),
            Change::UpdateOperation(update) => self.update_operation(update),
            other => self.apply_record(other),
        }
    }

    fn insert_message(&mut self, message: &Message) -> Result<(), Refusal> {
        let id = message.header.id;
        if !self.messages(id)?.is_empty() {
            return Err(conflict(What::MessageId, id, Some(id)));
        }
        if let Some(key) = &message.idempotency_key {
            let used = self.found(&lookup::MESSAGE_KEYS, vec![key.into()], Cursor::uuid)?;
            if let Some(existing) = used.first() {
                return Err(conflict(What::MessageKey, key, Some(*existing)));
            }
            self.set(&lookup::MESSAGE_KEYS, vec![key.into()], vec![vec![id.into()]]);
        }
        self.new_message(message)
    }

    fn keep_message(&mut self, message: &Message) -> Result<(), Refusal> {
        let known = self.messages(message.header.id)?;
        if known.iter().any(|known| known.hash == message.hash) { Ok(()) } else { self.new_message(message) }
    }

    fn new_message(&mut self, message: &Message) -> Result<(), Refusal> {
        let seq = self.insert(message);
        let state = message.state.map(|state| state.as_str());
        let known = vec![seq.into(), message.hash.into(), state.into(), message.batch.into()];
        self.add(&lookup::MESSAGES, vec![message.header.id.into()], known)?;
        let data: BTreeSet<Uuid> = message.data.iter().map(|data| data.id).collect();
        for id in data {
            self.insert_numbered(&schema::MESSAGE_DATA, seq, vec![id.into()]);
        }
        Ok(())
    }

    fn update_message(&mut self, update: &change::Message) -> Result<(), Refusal> {
        let known = self.messages(update.id)?;
        let position = match update.hash {
            Some(hash) => known.iter().position(|known| known.hash == Some(hash)),
            None => (!known.is_empty()).then_some(0),
        };
        let fits = position.is_some_and(|position| {
            update.from.is_empty() || known[position].state.is_some_and(|state| update.from.contains(&state))
        });
        let Some(position) = position.filter(|_| fits) else {
            let must = !update.from.is_empty() && !update.or_skip;
            return if must { Err(wrong_state(update.id)) } else { Ok(()) };
        };
        let mut values = Vec::new();
        let key = vec![update.id.into()];
        let mut rows = self.get(&lookup::MESSAGES, key.clone())?.to_vec();
        if let Some(state) = update.state {
            values.push(("state", state.as_str().into()));
            rows[position][2] = state.as_str().into();
        }
        // Writing the batch that a row has would cost an index.
        if let Some(batch) = update.batch.map(Value::from).filter(|batch| rows[position][3] != *batch) {
            values.push(("batch", batch.clone()));
            rows[position][3] = batch;
        }
        self.set(&lookup::MESSAGES, key, rows);
        if let Some(tx) = update.tx {
            values.push(("txid", tx.into()));
        }
        if let Some(confirmed) = update.confirmed {
            values.push(("confirmed", confirmed.into()));
        }
        if let Some(reason) = &update.reject_reason {
            values.push(("rejectreason", reason.into()));
        }
        if let Some(pins) = &update.pins {
            values.push(("pins", join(pins)));
        }
        if !values.is_empty() {
            self.note(&schema::MESSAGES, Happened::Updated, update.id);
        }
        self.update(&schema::MESSAGES, known[position].seq, values)
    }

    fn insert_data(&mut self, data: &Data) -> Result<(), Refusal> {
        let key = vec![data.id.into()];
        let hash = Value::from(data.hash);
        if self.get(&lookup::DATA, key.clone())?.iter().any(|row| row[1] == hash) {
            return Ok(());
        }
        let seq = self.insert(data);
        self.add(&lookup::DATA, key, vec![seq.into(), hash])
    }

    fn update_data(&mut self, update: &change::Data) -> Result<(), Refusal> {
        for seq in self.found(&lookup::DATA, vec![update.id.into()], Cursor::int)? {
            let public = update.public.as_ref().map(|public| ("public", public.into()));
            let blob_public = update.blob_public.as_ref().map(|public| ("blob_public", public.into()));
            self.update(&schema::DATA, seq, public.into_iter().chain(blob_public).collect())?;
            self.note(&schema::DATA, Happened::Updated, update.id);
        }
        Ok(())
    }

    fn delete_data(&mut self, id: Uuid) -> Result<(), Refusal> {
        for seq in self.found(&lookup::DATA, vec![id.into()], Cursor::int)? {
            self.delete(&schema::DATA, seq);
            self.note(&schema::DATA, Happened::Deleted, id);
        }
        self.set(&lookup::DATA, vec![id.into()], Vec::new());
        Ok(())
    }

    fn delete_message(&mut self, id: Uuid, hash: Value) -> Result<(), Refusal> {
        let rows = self.get(&lookup::MESSAGES, vec![id.into()])?;
        let numbers: Vec<_> = rows.iter().filter(|row| row[1] == hash).map(|row| row[0].clone()).collect();
        for number in numbers {
            if let Value::Int(seq) = number {
                self.delete(&schema::MESSAGE_DATA, seq);
            }
        }
        self.drop_one(&lookup::MESSAGES, id, &hash)
    }

    /// Removes the row of an id and a hash by a look-up whose columns begin with number and hash.
    fn drop_one(&mut self, lookup: &'static lookup::Lookup, id: Uuid, hash: &Value) -> Result<(), Refusal> {
        let rows = self.get(lookup, vec![id.into()])?.to_vec();
        let (gone, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1] == *hash);
        if gone.is_empty() {
            return Ok(());
        }
        for row in gone {
            if let Value::Int(seq) = row[0] {
                self.delete(lookup.table, seq);
            }
        }
        self.note(lookup.table, Happened::Deleted, id);
        self.set(lookup, vec![id.into()], left);
        Ok(())
    }

    fn insert_blob(&mut self, blob: &Blob) -> Result<(), Refusal> {
        let key = vec![blob.hash.into()];
        let (payload_ref, data) = (Value::from(&blob.payload_ref), Value::from(blob.data_id));
        if self.get(&lookup::BLOBS, key.clone())?.iter().any(|row| row[1] == payload_ref && row[2] == data) {
            return Ok(());
        }
        let seq = self.insert(blob);
        self.add(&lookup::BLOBS, key, vec![seq.into(), payload_ref, data])
    }

    fn delete_blob(&mut self, hash: Value, payload_ref: &str) -> Result<(), Refusal> {
        let payload_ref = Value::from(payload_ref);
        let rows = self.get(&lookup::BLOBS, vec![hash.clone()])?.to_vec();
        let (gone, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[1] == payload_ref);
        for row in gone {
            if let Value::Int(seq) = row[0] {
                self.delete(&schema::BLOBS, seq);
            }
        }
        self.set(&lookup::BLOBS, vec![hash], left);
        Ok(())
    }

    fn insert_batch(&mut self, batch: &batch::Record) -> Result<(), Refusal> {
        let key = vec![batch.id.into()];
        let hash = Value::from(batch.hash);
        if self.get(&lookup::BATCHES, key.clone())?.iter().any(|row| row[1] == hash) {
            return Ok(());
        }
        let seq = self.insert(batch);
        self.add(&lookup::BATCHES, key, vec![seq.into(), hash, batch.confirmed.into()])
    }

    fn confirm_batch(&mut self, id: Uuid, hash: Value, confirmed: Value) -> Result<(), Refusal> {
        let key = vec![id.into()];
        let mut rows = self.get(&lookup::BATCHES, key.clone())?.to_vec();
        let open = rows.iter_mut().find(|row| row[1] == hash && row[2] == Value::Null);
        let Some(row) = open else { return Ok(()) };
        row[2] = confirmed.clone();
        let Value::Int(seq) = row[0] else { return Ok(()) };
        self.set(&lookup::BATCHES, key, rows);
        self.update(&schema::BATCHES, seq, vec![("confirmed", confirmed)])
    }

    fn insert_transaction(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        let id = transaction.id;
        if !self.get(&lookup::TRANSACTIONS, vec![id.into()])?.is_empty() {
            return Err(conflict(What::TransactionId, id, Some(id)));
        }
        if let Some(key) = &transaction.idempotency_key {
            let used = self.found(&lookup::TRANSACTION_KEYS, vec![key.into()], Cursor::uuid)?;
            if let Some(existing) = used.first() {
                return Err(conflict(What::TransactionKey, key, Some(*existing)));
            }
            self.set(&lookup::TRANSACTION_KEYS, vec![key.into()], vec![vec![id.into()]]);
        }
        self.new_transaction(transaction);
        Ok(())
    }

    fn new_transaction(&mut self, transaction: &Transaction) {
        let seq = self.insert(transaction);
        let known = vec![seq.into(), join(&transaction.blockchain_ids)];
        self.set(&lookup::TRANSACTIONS, vec![transaction.id.into()], vec![known]);
    }

    fn keep_transaction(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        if self.get(&lookup::TRANSACTIONS, vec![transaction.id.into()])?.is_empty() {
            self.new_transaction(transaction);
            return Ok(());
        }
        self.add_blockchain_ids(transaction.id, &transaction.blockchain_ids)
    }

    fn add_blockchain_ids(&mut self, tx: Uuid, ids: &[String]) -> Result<(), Refusal> {
        let known = self.found(&lookup::TRANSACTIONS, vec![tx.into()], |row| Ok((row.int()?, row.list()?)))?;
        let Some((seq, old)) = known.into_iter().next() else { return Ok(()) };
        let mut all: BTreeSet<String> = old.iter().cloned().collect();
        all.extend(ids.iter().map(|id| id.to_lowercase()));
        if all.len() == old.len() {
            return Ok(());
        }
        let all = join(&all.into_iter().collect::<Vec<_>>());
        self.set(&lookup::TRANSACTIONS, vec![tx.into()], vec![vec![seq.into(), all.clone()]]);
        self.update(&schema::TRANSACTIONS, seq, vec![("blockchainids", all)])
    }

    fn insert_operation(&mut self, operation: &Operation) -> Result<(), Refusal> {
        let id = operation.id;
        if !self.get(&lookup::OPERATIONS, vec![id.into()])?.is_empty() {
            return Err(conflict(What::OperationId, id, Some(id)));
        }
        let seq = self.insert(operation);
        self.know_operation(id, seq, operation.status);
        Ok(())
    }

    fn know_operation(&mut self, id: Uuid, seq: i64, status: Status) {
        self.set(&lookup::OPERATIONS, vec![id.into()], vec![vec![seq.into(), status.as_str().into()]]);
    }

    fn update_operation(&mut self, update: &change::Operation) -> Result<(), Refusal> {
        let known =
            self.found(&lookup::OPERATIONS, vec![update.id.into()], |row| Ok((row.int()?, row.parsed::<Status>()?)))?;
        let Some((seq, status)) = known.into_iter().next() else { return Ok(()) };
        let mut values = Vec::new();
        if status.may_become(update.status) {
            values.push(("status", update.status.as_str().into()));
            values.push(("error", (&update.error).into()));
            values.push(("updated", update.updated.into()));
            if let Some(input) = &update.input {
                values.push(("input", input.into()));
            }
            if let Some(output) = &update.output {
                values.push(("output", output.into()));
            }
            self.know_operation(update.id, seq, update.status);
        }
        if let Some(retry) = update.retry {
            values.push(("retry", retry.into()));
        }
        if !values.is_empty() {
            self.note(&schema::OPERATIONS, Happened::Updated, update.id);
        }
        self.update(&schema::OPERATIONS, seq, values)
    }
}
