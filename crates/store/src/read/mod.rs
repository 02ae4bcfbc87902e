//! Reads of one namespace: single records, the pages that stages work through, and typed queries.

mod charts;
mod filter;
mod messages;
mod page;
mod records;
mod sql;
mod texts;

use photinus_model::{Time, namespace::Namespace};
use photinus_query::{Filter, Query};

pub use charts::{Chart, Counted};
pub(crate) use sql::{Cost, Dialect, Sql};
pub use texts::Texts;
pub(crate) use texts::{Sieve, Sifted};

use crate::{
    error::Error,
    lane::Namespaces,
    postgres,
    rows::{self, Stored, sealed},
    schema::{self, Table},
    sqlite,
    value::{Cursor, Row, Value},
};

/// Rows up to which the first page of a collection counts as a small read.
const SMALL_PAGE: u64 = 100;

/// The connections that read.
#[derive(Debug)]
pub(crate) enum Readers {
    Sqlite(sqlite::Readers),
    Postgres(postgres::Readers),
}

impl Readers {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn select(&self, sql: Sql, cost: Cost) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(readers) => readers.select(sql, cost).await,
            Self::Postgres(readers) => readers.select(sql, cost).await,
        }
    }

    async fn sift(&self, sql: Sql, cost: Cost, sieve: Sieve) -> Result<Vec<Sifted>, Error> {
        match self {
            Self::Sqlite(readers) => readers.sift(sql, cost, sieve).await,
            Self::Postgres(readers) => readers.sift(sql, cost, sieve).await,
        }
    }

    pub(crate) async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        let text = "SELECT name, networkname, description, created FROM namespaces \
                    WHERE networkname IS NOT NULL ORDER BY name";
        let rows = self.select(Sql::new(self.dialect(), text), Cost::Small).await?;
        let namespace = |row: Row| {
            let mut row = Cursor::new(&schema::NAMESPACES, row);
            let (name, network_name) = (row.text()?, row.text()?);
            let (description, created) = (row.opt_text()?.unwrap_or_default(), row.opt_time()?.unwrap_or(Time::ZERO));
            Ok(Namespace { name, network_name, description, created })
        };
        rows.into_iter().map(namespace).collect()
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(readers) => readers.close().await,
            Self::Postgres(readers) => readers.close(),
        }
    }
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The records, in the order that was asked for.
    pub items: Vec<T>,
    /// How many records pass the filter, if that was asked for.
    pub total: Option<u64>,
}

impl<T> Page<T> {
    /// What a query finds where nothing was written.
    fn empty(query: &Query) -> Self {
        Self { items: Vec::new(), total: query.count.then_some(0) }
    }
}

/// How much a query of a collection may read.
fn cost(query: &Query) -> Cost {
    let first_rows = query.sort.is_empty() && query.skip == 0 && query.limit.is_some_and(|limit| limit <= SMALL_PAGE);
    if first_rows && query.filter == Filter::everything() { Cost::Small } else { Cost::Open }
}

/// Reads of one namespace. Each sees everything that was committed before it began.
///
/// All of them fail with [`Error::Unavailable`] when the database does not answer and with [`Error::Corrupt`] when a row
/// cannot be understood.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    readers: &'a Readers,
    namespace: &'a str,
    namespaces: &'a Namespaces,
}

impl<'a> Read<'a> {
    pub(crate) fn new(readers: &'a Readers, namespace: &'a str, namespaces: &'a Namespaces) -> Self {
        Self { readers, namespace, namespaces }
    }

    /// The number of the namespace. Absent as long as nothing was written in it.
    fn ns(&self) -> Option<i64> {
        self.namespaces.read().get(self.namespace).copied()
    }

    /// Answers a query; the kind of record says from which collection.
    ///
    /// Matching without regard to case looks at the 26 letters of ASCII only. Sorting puts null above every value and
    /// breaks ties by the local order, newest first.
    ///
    /// # Errors
    /// [`Error::Field`] when the query is for another collection.
    pub async fn find<T: Stored>(&self, query: &Query) -> Result<Page<T>, Error> {
        self.find_among(query, cost(query), |_, _| ()).await
    }

    /// Answers a query on the rows for which a condition on them holds too; it is given the number of the namespace.
    async fn find_among<T: sealed::Row>(
        &self,
        query: &Query,
        cost: Cost,
        condition: impl Fn(&mut Sql, i64),
    ) -> Result<Page<T>, Error> {
        let Some(ns) = self.ns() else { return Ok(Page::empty(query)) };
        let wants = page::Wants { table: T::TABLE, ns, query, condition };
        let rows = self.readers.select(wants.page(self.readers.dialect())?, cost).await?;
        Ok(Page { total: self.total(&wants).await?, items: self.records(rows)? })
    }

    /// How many rows pass, if that is asked for.
    async fn total<C: Fn(&mut Sql, i64)>(&self, wants: &page::Wants<'_, C>) -> Result<Option<u64>, Error> {
        if !wants.query.count {
            return Ok(None);
        }
        let rows = self.readers.select(wants.count(self.readers.dialect())?, Cost::Open).await?;
        let row = rows.into_iter().next().unwrap_or_default();
        let count = Cursor::new(wants.table, row).int()?;
        Ok(Some(count.try_into().unwrap_or_default()))
    }

    /// The steps in which the database finds the page of a query, or its count if that is asked for, in the database's words.
    ///
    /// # Errors
    /// [`Error::Field`] when the query is for another collection.
    #[cfg(feature = "testing")]
    pub async fn explain<T: Stored>(&self, query: &Query) -> Result<Vec<String>, Error> {
        let Some(ns) = self.ns() else { return Ok(Vec::new()) };
        let dialect = self.readers.dialect();
        let wants = page::Wants { table: T::TABLE, ns, query, condition: |_: &mut Sql, _| () };
        let mut sql = if query.count { wants.count(dialect)? } else { wants.page(dialect)? };
        let (words, column) = match dialect {
            Dialect::Sqlite => ("EXPLAIN QUERY PLAN ", 3),
            Dialect::Postgres => ("EXPLAIN (COSTS OFF) ", 0),
        };
        sql.text.insert_str(0, words);
        let rows = self.readers.select(sql, Cost::Open).await?;
        let step = |row: Row| match row.into_iter().nth(column) {
            Some(Value::Text(step)) => step,
            other => format!("{other:?}"),
        };
        Ok(rows.into_iter().map(step).collect())
    }

    fn sql(&self, text: impl Into<String>) -> Sql {
        Sql::new(self.readers.dialect(), text)
    }

    /// `SELECT` of whole rows.
    fn select_all(&self, table: &'static Table) -> Sql {
        let mut sql = self.select_columns(table);
        sql.push(" FROM \"").push(table.name).push("\"");
        sql
    }

    /// `SELECT` of all columns, without saying from where.
    fn select_columns(&self, table: &'static Table) -> Sql {
        let mut sql = self.sql("");
        sql.push_columns(table);
        sql
    }

    /// `SELECT` of whole rows of the namespace. `None` when there are none.
    fn of<T: sealed::Row>(&self) -> Option<Sql> {
        let mut sql = self.select_all(T::TABLE);
        sql.push(" WHERE ns = ").bind(self.ns()?);
        Some(sql)
    }

    fn records<T: sealed::Row>(&self, rows: Vec<Row>) -> Result<Vec<T>, Error> {
        let mut records = Vec::with_capacity(rows.len());
        for row in rows {
            records.push(rows::record(self.namespace, row)?);
        }
        Ok(records)
    }

    /// The records of a small query.
    async fn all<T: sealed::Row>(&self, sql: Option<Sql>) -> Result<Vec<T>, Error> {
        let Some(sql) = sql else { return Ok(Vec::new()) };
        self.records(self.readers.select(sql, Cost::Small).await?)
    }

    /// The first record of a small query.
    async fn one<T: sealed::Row>(&self, sql: Option<Sql>) -> Result<Option<T>, Error> {
        Ok(self.all(sql).await?.into_iter().next())
    }

    /// The oldest records whose columns have these values.
    async fn by<T: sealed::Row, const N: usize>(&self, keys: [(&str, Value); N], limit: i64) -> Result<Vec<T>, Error> {
        let Some(mut sql) = self.of::<T>() else { return Ok(Vec::new()) };
        for (column, value) in keys {
            sql.push(" AND \"").push(column).push("\" = ").bind(value);
        }
        sql.push(" ORDER BY seq LIMIT ").bind(limit);
        self.all(Some(sql)).await
    }

    /// The records with one of many values in a column, oldest first.
    async fn by_many<T: sealed::Row>(&self, column: &str, values: Vec<Value>) -> Result<Vec<T>, Error> {
        /// Parameters of one query.
        const CHUNK: usize = 256;
        let mut found = Vec::with_capacity(values.len());
        let Some(ns) = self.ns() else { return Ok(found) };
        for values in values.chunks(CHUNK) {
            let mut sql = self.select_columns(T::TABLE);
            sql.push_from(T::TABLE.name, &[("ns", ns.into())], column, values);
            sql.push(" ORDER BY seq");
            found.append(&mut self.all(Some(sql)).await?);
        }
        Ok(found)
    }

    /// Whether a small query finds anything.
    async fn any(&self, sql: Sql) -> Result<bool, Error> {
        Ok(!self.readers.select(sql, Cost::Small).await?.is_empty())
    }
}
