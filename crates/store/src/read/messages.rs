//! Messages, data, blobs and batches.

use photinus_model::{Hash, Uuid, batch, blob::Blob, data::Data, message::Message};
use photinus_query::Query;

use super::{Cost, Page, Read, Sql, page::HALVES};
use crate::{
    error::Error,
    rows::{self, sealed::Row as _},
    value::Value,
};

/// No bound on what an index finds.
const ALL: i64 = i64::MAX;

impl Read<'_> {
    /// A message. If several of one id were received, the one that was decided, else the oldest.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn message(&self, id: Uuid) -> Result<Option<Message>, Error> {
        let Some(mut sql) = self.of::<Message>() else { return Ok(None) };
        sql.push(" AND id = ").bind(id).push(" ORDER BY confirmed IS NULL, seq LIMIT 1");
        self.one(Some(sql)).await
    }

    /// A message with this very content.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn message_with_hash(&self, id: Uuid, hash: Hash) -> Result<Option<Message>, Error> {
        Ok(self.by([("id", id.into()), ("hash", hash.into())], 1).await?.pop())
    }

    /// Messages by id, oldest first; absent ones are left out, several of one id are all there.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn messages_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Message>, Error> {
        self.by_many("id", ids.iter().map(|id| Value::Uuid(*id)).collect()).await
    }

    /// The message with an idempotency key.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn message_by_idempotency_key(&self, key: &str) -> Result<Option<Message>, Error> {
        Ok(self.by([("idempotencykey", key.into())], 1).await?.pop())
    }

    /// Messages that wait for a batch, oldest first, with their local order: at most `limit`, behind `after`.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn ready_messages(&self, after: Option<i64>, limit: usize) -> Result<Vec<(i64, Message)>, Error> {
        let Some(mut sql) = self.of::<Message>() else { return Ok(Vec::new()) };
        sql.push(" AND state = 'ready' AND seq > ").bind(after.unwrap_or(0));
        sql.push(" ORDER BY seq LIMIT ").bind(bound(limit));
        let rows = self.readers.select(sql, Cost::Open).await?;
        let read = |row: Vec<Value>| {
            let seq = match row.get(1) {
                Some(Value::Int(seq)) => *seq,
                _ => 0,
            };
            Ok((seq, rows::record(self.namespace, row)?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Messages of an author that wait for a batch, oldest first, at most `limit`: those to a group, or those to everybody,
    /// either with a pin or without.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn ready_messages_of(
        &self,
        author: &str,
        group: Option<Hash>,
        pinned: bool,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let Some(mut sql) = self.of::<Message>() else { return Ok(Vec::new()) };
        sql.push(" AND state = 'ready' AND author = ").bind(author);
        match group {
            Some(group) => sql.push(" AND \"group\" = ").bind(group),
            None => sql.push(" AND \"group\" IS NULL"),
        };
        sql.push(if pinned { " AND txtype <> 'unpinned'" } else { " AND txtype = 'unpinned'" });
        sql.push(" ORDER BY seq LIMIT ").bind(bound(limit));
        self.all(Some(sql)).await
    }

    /// The messages that a batch carried here, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn messages_of_batch(&self, batch: Uuid) -> Result<Vec<Message>, Error> {
        let Some(ns) = self.ns() else { return Ok(Vec::new()) };
        let mut sql = self.sql("");
        for (index, half) in HALVES.iter().enumerate() {
            sql.push(if index > 0 { " UNION ALL " } else { "" }).push_columns(Message::TABLE);
            sql.push(" FROM messages WHERE ns = ").bind(ns).push(half).push(" AND batch = ").bind(batch);
        }
        sql.push(" ORDER BY seq");
        self.all(Some(sql)).await
    }

    /// The messages that refer to a data element and answer a query.
    ///
    /// # Errors
    /// [`Error::Field`] when the query is for another collection; else see [`Read`].
    pub async fn messages_of_data(&self, data: Uuid, query: &Query) -> Result<Page<Message>, Error> {
        let refers = |sql: &mut Sql, ns: i64| {
            sql.push(" AND seq IN (SELECT d.seq FROM message_data d WHERE d.ns = ").bind(ns);
            sql.push(" AND d.data = ").bind(data).push(")");
        };
        self.find_among(query, Cost::Open, refers).await
    }

    /// A data element. If several of one id were received, the oldest.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn data(&self, id: Uuid) -> Result<Option<Data>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// A data element with this very content.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn data_with_hash(&self, id: Uuid, hash: Hash) -> Result<Option<Data>, Error> {
        Ok(self.by([("id", id.into()), ("hash", hash.into())], 1).await?.pop())
    }

    /// Data elements by id, oldest first; absent ones are left out, several of one id are all there.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn data_by_ids(&self, ids: &[Uuid]) -> Result<Vec<Data>, Error> {
        self.by_many("id", ids.iter().map(|id| Value::Uuid(*id)).collect()).await
    }

    /// Whether a message that is not decided refers to a data element.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn data_in_flight(&self, id: Uuid) -> Result<bool, Error> {
        let Some(ns) = self.ns() else { return Ok(false) };
        let mut sql = self.sql("SELECT m.seq FROM message_data d JOIN messages m ON m.ns = d.ns AND m.seq = d.seq");
        sql.push(" WHERE d.ns = ").bind(ns).push(" AND d.data = ").bind(id);
        sql.push(" AND m.state IN ('staged', 'ready', 'sent', 'pending') LIMIT 1");
        self.any(sql).await
    }

    /// What is held of a blob, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn blobs_by_hash(&self, hash: Hash) -> Result<Vec<Blob>, Error> {
        self.by([("hash", hash.into())], ALL).await
    }

    /// A batch. If several of one id were received, the oldest.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn batch(&self, id: Uuid) -> Result<Option<batch::Record>, Error> {
        Ok(self.by([("id", id.into())], 1).await?.pop())
    }

    /// A batch with this very content.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn batch_with_hash(&self, id: Uuid, hash: Hash) -> Result<Option<batch::Record>, Error> {
        Ok(self.by([("id", id.into()), ("hash", hash.into())], 1).await?.pop())
    }

    /// The batches of messages that were sent from here and are not on the ledger as far as it was read, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn unpinned_batches(&self) -> Result<Vec<batch::Record>, Error> {
        let Some(ns) = self.ns() else { return Ok(Vec::new()) };
        let off_the_ledger = |sql: &mut Sql| {
            sql.push(" AND NOT EXISTS (SELECT 1 FROM pins p WHERE p.ns = ").bind(ns);
            sql.push(" AND p.batch = batches.id AND p.batchhash = batches.\"hash\")");
        };
        self.sent(off_the_ledger).await
    }

    /// The batches of messages that were sent from here and are not decided, oldest first.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn undecided_batches(&self) -> Result<Vec<batch::Record>, Error> {
        self.sent(|_| {}).await
    }

    async fn sent(&self, among: impl FnOnce(&mut Sql)) -> Result<Vec<batch::Record>, Error> {
        let (Some(mut sql), Some(ns)) = (self.of::<batch::Record>(), self.ns()) else { return Ok(Vec::new()) };
        sql.push(" AND id IN (SELECT m.batch FROM messages m WHERE m.ns = ").bind(ns);
        sql.push(" AND m.confirmed IS NULL AND m.state = 'sent')");
        among(&mut sql);
        sql.push(" ORDER BY seq");
        self.records(self.readers.select(sql, Cost::Open).await?)
    }

    /// The batch that a transaction pins.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn batch_of(&self, tx: Uuid) -> Result<Option<batch::Record>, Error> {
        Ok(self.by([("tx_id", tx.into())], 1).await?.pop())
    }
}

pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
