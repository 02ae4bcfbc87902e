//! Counts over time, and the folders that files are in.

use std::collections::BTreeMap;

use photinus_model::Time;

use super::{Cost, Read, messages::bound, page::HALVES};
use crate::{
    error::Error,
    schema::{self, Table},
    value::{Cursor, Value},
};

/// What can be counted over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chart {
    /// Messages by the time that their senders gave them.
    Messages,
    /// Transactions.
    Transactions,
    /// Operations.
    Operations,
    /// Events.
    Events,
    /// Events of the ledger by the time of their block. They have no types.
    BlockchainEvents,
}

impl Chart {
    fn table(self) -> &'static Table {
        match self {
            Self::Messages => &schema::MESSAGES,
            Self::Transactions => &schema::TRANSACTIONS,
            Self::Operations => &schema::OPERATIONS,
            Self::Events => &schema::EVENTS,
            Self::BlockchainEvents => &schema::BLOCKCHAIN_EVENTS,
        }
    }

    /// The columns of the type and of the time.
    fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::BlockchainEvents => ("''", "timestamp"),
            _ => ("\"type\"", "created"),
        }
    }
}

/// What fell into a span of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many records, at most as many as were asked for.
    pub count: u64,
    /// How many of each type, in the order of the types' names; empty where records have no type.
    pub types: Vec<(String, u64)>,
}

impl Read<'_> {
    /// Counts the records from a time up to and without another one, but no more than `limit`.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn count_between(&self, chart: Chart, from: Time, to: Time, limit: usize) -> Result<Counted, Error> {
        let Some(ns) = self.ns() else { return Ok(Counted::default()) };
        let (kind, time) = chart.columns();
        let table = chart.table();
        let halves = if matches!(chart, Chart::Messages) { HALVES.as_slice() } else { &[""] };
        let mut sql = self.sql("");
        for (index, half) in halves.iter().enumerate() {
            sql.push(if index > 0 { " UNION ALL " } else { "" }).push("SELECT ").push(kind).push(" FROM ");
            sql.push(table.name).push(" WHERE ns = ").bind(ns).push(half);
            sql.push(" AND \"").push(time).push("\" >= ").bind(Value::from(from));
            sql.push(" AND \"").push(time).push("\" < ").bind(Value::from(to));
        }
        sql.push(" LIMIT ").bind(bound(limit));
        let rows = self.readers.select(sql, Cost::Small).await?;
        let mut counted = Counted { count: rows.len() as u64, types: Vec::new() };
        let mut types = BTreeMap::<String, u64>::new();
        for row in rows {
            *types.entry(Cursor::new(table, row).text()?).or_default() += 1;
        }
        types.remove("");
        counted.types = types.into_iter().collect();
        Ok(counted)
    }

    /// The folders of files directly in a folder, in order, at most `limit`. Paths begin with a slash and do not end with one; the
    /// empty path is the top.
    ///
    /// # Errors
    /// See [`Read`].
    pub async fn data_folders(&self, parent: &str, limit: usize) -> Result<Vec<String>, Error> {
        let Some(ns) = self.ns() else { return Ok(Vec::new()) };
        // '0' follows '/' in every encoding that either database compares by.
        let (from, to) = (format!("{parent}/"), format!("{parent}0"));
        let below = i64::try_from(from.chars().count() + 1).unwrap_or(i64::MAX);
        let mut sql = self.sql("SELECT DISTINCT blob_path FROM data WHERE ns = ");
        sql.bind(ns).push(" AND blob_path <> '' AND blob_path > ").bind(from.as_str());
        sql.push(" AND blob_path < ").bind(to.as_str());
        // The width of an integer is part of a function's name in PostgreSQL.
        let (find, rest) = match self.readers.dialect() {
            super::Dialect::Sqlite => ("instr(substr(blob_path, ", "), '/') = 0"),
            super::Dialect::Postgres => ("strpos(substr(blob_path, (", ")::integer), '/') = 0"),
        };
        sql.push(" AND ").push(find).bind(below).push(rest);
        sql.push(" ORDER BY blob_path LIMIT ").bind(bound(limit));
        let rows = self.readers.select(sql, Cost::Open).await?;
        rows.into_iter().map(|row| Cursor::new(&schema::DATA, row).text()).collect()
    }
}
