//! Everything but messages: transactions, operations, events, pins, identities, subscriptions, and the entries of the
//! key-value table.

use photinus_model::{
    Hash, Uuid,
    blockchain_event::BlockchainEvent,
    datatype::Datatype,
    event::Event,
    group::Group,
    identity::Identity,
    nextpin::NextPin,
    operation::Operation,
    pin::Pin,
    subscription::Subscription,
    transaction::Transaction,
    verifier::{self, Verifier},
};

use super::{Cost, Dialect, Read, messages::bound};
use crate::{
    error::Error,
    schema,
    value::{Cursor, Row, Value},
};

/// No bound on what an index finds.
const ALL: i64 = i64::MAX;

impl Read<'_> {
    /// A transaction.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn transaction(&self, id: Uuid) -> Result<Option<Transaction>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// The transaction with an idempotency key.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn transaction_by_idempotency_key(&self, key: &str) -> Result<Option<Transaction>, Error> {
        Ok(self.by([("idempotencykey", key.into())], 1).await?.pop())
    }

    /// Transactions by id, oldest first; absent ones are left out.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn transactions_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Transaction>, Error> {
        self.by_many("id", ids.iter().map(|id| Value::Uuid(*id)).collect()).await
    }

    /// An operation.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn operation(&self, id: Uuid) -> Result<Option<Operation>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// The operations of a transaction, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn operations_of(&self, tx: Uuid) -> Result<Vec<Operation>, Error> {
        self.by([("tx", tx.into())], ALL).await
    }

    /// The operations whose outcome is open, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn unfinished_operations(&self) -> Result<Vec<Operation>, Error> {
        let Some(mut sql) = self.of::<Operation>() else { return Ok(Vec::new()) };
        sql.push(" AND status IN ('Initialized', 'Pending') ORDER BY seq");
        self.records(self.readers.select(sql, Cost::Open).await?)
    }

    /// As [`Read::unfinished_operations`], without downloads: of those there may be any number, and they have their own queue.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn unfinished_work(&self) -> Result<Vec<Operation>, Error> {
        let Some(mut sql) = self.of::<Operation>() else { return Ok(Vec::new()) };
        sql.push(" AND status IN ('Initialized', 'Pending')");
        sql.push(" AND type NOT IN ('sharedstorage_download_batch', 'sharedstorage_download_blob') ORDER BY seq");
        self.records(self.readers.select(sql, Cost::Open).await?)
    }

    /// An event of the ledger.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn blockchain_event(&self, id: Uuid) -> Result<Option<BlockchainEvent>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// Events of the ledger by id, oldest first; absent ones are left out.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn blockchain_events_by_ids(&self, ids: &[Uuid]) -> Result<Vec<BlockchainEvent>, Error> {
        self.by_many("id", ids.iter().map(|id| Value::Uuid(*id)).collect()).await
    }

    /// The events of the ledger that belong to a transaction, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn blockchain_events_of(&self, tx: Uuid) -> Result<Vec<BlockchainEvent>, Error> {
        self.by([("tx_id", tx.into())], ALL).await
    }

    /// An event.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn event(&self, id: Uuid) -> Result<Option<Event>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// The events behind a sequence, in order, at most `limit`.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn events_after(&self, sequence: i64, limit: usize) -> Result<Vec<Event>, Error> {
        let Some(mut sql) = self.of::<Event>() else { return Ok(Vec::new()) };
        sql.push(" AND seq > ").bind(sequence).push(" ORDER BY seq LIMIT ").bind(bound(limit));
        self.all(Some(sql)).await
    }

    /// The sequence of the newest event; 0 when there is none.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn last_event(&self) -> Result<i64, Error> {
        let Some(ns) = self.ns() else { return Ok(0) };
        let mut sql = self.sql("SELECT seq FROM events WHERE ns = ");
        sql.bind(ns).push(" ORDER BY seq DESC LIMIT 1");
        self.number(&schema::EVENTS, sql).await.map(Option::unwrap_or_default)
    }

    /// The pins that are not decided, in the order of the ledger, at most `limit`, behind the sequence `after`.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn undispatched_pins(&self, after: i64, limit: usize) -> Result<Vec<Pin>, Error> {
        let Some(mut sql) = self.of::<Pin>() else { return Ok(Vec::new()) };
        sql.push(" AND NOT dispatched AND seq > ").bind(after).push(" ORDER BY seq LIMIT ").bind(bound(limit));
        self.all(Some(sql)).await
    }

    /// A pin by its sequence.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn pin(&self, sequence: i64) -> Result<Option<Pin>, Error> {
        Ok(self.by([("seq", sequence.into())], 1).await?.pop())
    }

    /// The pins of a batch, in the order of the ledger.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn pins_of(&self, batch: Uuid) -> Result<Vec<Pin>, Error> {
        self.by([("batch", batch.into())], ALL).await
    }

    /// The next pins of a private context.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn nextpins(&self, context: Hash) -> Result<Vec<NextPin>, Error> {
        self.by([("context", context.into())], ALL).await
    }

    /// An identity by id. If several claimed one id, the one that was accepted first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn identity(&self, id: Uuid) -> Result<Option<Identity>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// An identity by its DID.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn identity_by_did(&self, did: &str) -> Result<Option<Identity>, Error> {
        Ok(self.by([("did", did.into())], 1).await?.pop())
    }

    /// An identity by type and name.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn identity_by_name(
        &self,
        kind: photinus_model::identity::Type,
        name: &str,
    ) -> Result<Option<Identity>, Error> {
        Ok(self.by([("type", kind.as_str().into()), ("name", name.into())], 1).await?.pop())
    }

    /// The identity of a type that was accepted first among those that belong to another one.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn first_child(
        &self,
        parent: Uuid,
        kind: photinus_model::identity::Type,
    ) -> Result<Option<Identity>, Error> {
        Ok(self.by([("parent", parent.into()), ("type", kind.as_str().into())], 1).await?.pop())
    }

    /// A verifier by type and value.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn verifier(&self, kind: verifier::Type, value: &str) -> Result<Option<Verifier>, Error> {
        Ok(self.by([("type", kind.as_str().into()), ("valuehash", Hash::of(value).into())], 1).await?.pop())
    }

    /// A verifier by its digest.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn verifier_by_hash(&self, hash: Hash) -> Result<Option<Verifier>, Error> {
        Ok(self.by([("hash", hash.into())], 1).await?.pop())
    }

    /// The verifiers of an identity, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn verifiers_of(&self, identity: Uuid) -> Result<Vec<Verifier>, Error> {
        self.by([("identity", identity.into())], ALL).await
    }

    /// A datatype by name and version.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn datatype(&self, name: &str, version: &str) -> Result<Option<Datatype>, Error> {
        Ok(self.by([("name", name.into()), ("version", version.into())], 1).await?.pop())
    }

    /// A datatype by id.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn datatype_by_id(&self, id: Uuid) -> Result<Option<Datatype>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// A group by its hash.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn group(&self, hash: Hash) -> Result<Option<Group>, Error> {
        Ok(self.by([("hash", hash.into())], 1).await?.pop())
    }

    /// A subscription by id.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn subscription(&self, id: Uuid) -> Result<Option<Subscription>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// A subscription by name.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn subscription_by_name(&self, name: &str) -> Result<Option<Subscription>, Error> {
        Ok(self.by([("name", name.into())], 1).await?.pop())
    }

    /// How far a reader of events has come.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn offset(&self, kind: &str, name: &str) -> Result<Option<i64>, Error> {
        let Some(ns) = self.ns() else { return Ok(None) };
        let mut sql = self.sql("SELECT current FROM offsets WHERE ns = ");
        sql.bind(ns).push(" AND kind = ").bind(kind).push(" AND name = ").bind(name);
        self.number(&schema::OFFSETS, sql).await
    }

    async fn number(&self, table: &'static schema::Table, sql: super::Sql) -> Result<Option<i64>, Error> {
        let rows = self.readers.select(sql, Cost::Small).await?;
        rows.into_iter().next().map(|row| Cursor::new(table, row).int()).transpose()
    }

    pub(crate) async fn kv(&self, space: u8, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(ns) = self.ns() else { return Ok(None) };
        let mut sql = self.sql("SELECT \"value\" FROM entries WHERE ns = ");
        sql.bind(ns).push(" AND space = ").bind(i64::from(space));
        sql.push(" AND \"key\" = ").bind(Value::Bytes(key.to_vec()));
        let rows = self.readers.select(sql, Cost::Small).await?;
        rows.into_iter().next().map(|row| Cursor::new(&schema::ENTRIES, row).bytes()).transpose()
    }

    pub(crate) async fn kv_many(&self, space: u8, keys: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        /// Parameters of one query.
        const CHUNK: usize = 256;
        let mut found = Vec::new();
        let Some(ns) = self.ns() else { return Ok(found) };
        for keys in keys.chunks(CHUNK) {
            let keys: Vec<Value> = keys.iter().map(|key| Value::Bytes(key.clone())).collect();
            let mut sql = self.sql("SELECT \"key\", \"value\"");
            sql.push_from("entries", &[("ns", ns.into()), ("space", i64::from(space).into())], "key", &keys);
            for row in self.readers.select(sql, Cost::Small).await? {
                let mut row = Cursor::new(&schema::ENTRIES, row);
                found.push((row.bytes()?, row.bytes()?));
            }
        }
        Ok(found)
    }

    pub(crate) async fn kv_range(
        &self,
        space: u8,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        self.entries(space, " >= ", from, to, limit).await
    }

    pub(crate) async fn kv_ranges(
        &self,
        space: u8,
        ranges: &[(Vec<u8>, Vec<u8>)],
        limit: usize,
    ) -> Result<Vec<Vec<(Vec<u8>, Vec<u8>)>>, Error> {
        /// Ranges of one query.
        const CHUNK: usize = 128;
        let mut found = vec![Vec::new(); ranges.len()];
        let Some(ns) = self.ns() else { return Ok(found) };
        if self.readers.dialect() == Dialect::Sqlite || ranges.len() == 1 {
            for ((from, to), found) in ranges.iter().zip(&mut found) {
                *found = self.kv_range(space, from, Some(to), limit).await?;
            }
            return Ok(found);
        }
        for (chunk, found) in ranges.chunks(CHUNK).zip(found.chunks_mut(CHUNK)) {
            let mut sql = self.sql("SELECT r.n, e.\"key\", e.\"value\"");
            let range = |(from, to): &(Vec<u8>, Vec<u8>)| [Value::Bytes(from.clone()), Value::Bytes(to.clone())];
            let ranges: Vec<_> = chunk.iter().map(range).collect();
            sql.push_ranges(&[("ns", ns.into()), ("space", i64::from(space).into())], &ranges, limit);
            for row in self.readers.select(sql, Cost::Small).await? {
                let mut row = Cursor::new(&schema::ENTRIES, row);
                let number = row.int()?;
                let entry = (row.bytes()?, row.bytes()?);
                let of = usize::try_from(number).ok().and_then(|number| found.get_mut(number));
                of.ok_or_else(|| row.corrupt("no range"))?.push(entry);
            }
        }
        Ok(found)
    }

    pub(crate) async fn kv_scan(
        &self,
        space: u8,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        let to = end_of(prefix);
        match after {
            Some(after) if after >= prefix => self.entries(space, " > ", after, to.as_deref(), limit).await,
            _ => self.entries(space, " >= ", prefix, to.as_deref(), limit).await,
        }
    }

    pub(crate) async fn kv_last(&self, space: u8, prefix: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(ns) = self.ns() else { return Ok(None) };
        let mut sql = self.sql("SELECT \"key\" FROM entries WHERE ns = ");
        sql.bind(ns).push(" AND space = ").bind(i64::from(space));
        sql.push(" AND \"key\" >= ").bind(Value::Bytes(prefix.to_vec()));
        if let Some(to) = end_of(prefix) {
            sql.push(" AND \"key\" < ").bind(Value::Bytes(to));
        }
        sql.push(" ORDER BY \"key\" DESC LIMIT 1");
        let rows = self.readers.select(sql, Cost::Small).await?;
        rows.into_iter().next().map(|row| Cursor::new(&schema::ENTRIES, row).bytes()).transpose()
    }

    async fn entries(
        &self,
        space: u8,
        above: &str,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>, Error> {
        /// Entries that are still read where the call is made.
        const SMALL: usize = 128;
        let Some(ns) = self.ns() else { return Ok(Vec::new()) };
        let mut sql = self.sql("SELECT \"key\", \"value\" FROM entries WHERE ns = ");
        sql.bind(ns).push(" AND space = ").bind(i64::from(space));
        sql.push(" AND \"key\"").push(above).bind(Value::Bytes(from.to_vec()));
        if let Some(to) = to {
            sql.push(" AND \"key\" < ").bind(Value::Bytes(to.to_vec()));
        }
        sql.push(" ORDER BY \"key\" LIMIT ").bind(bound(limit));
        let cost = if limit <= SMALL { Cost::Small } else { Cost::Open };
        let rows = self.readers.select(sql, cost).await?;
        let entry = |row: Row| {
            let mut row = Cursor::new(&schema::ENTRIES, row);
            Ok((row.bytes()?, row.bytes()?))
        };
        rows.into_iter().map(entry).collect()
    }
}

/// The lowest key above all that begin with `prefix`; `None` when there is none.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn the_end_of_a_prefix_is_the_next_one() {
        assert_eq!(end_of(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end_of(&[1, 255, 255]), Some(vec![2]));
        assert_eq!(end_of(&[255]), None);
        assert_eq!(end_of(&[]), None);
    }
}
