//! The page that a query asks for, and the number of rows behind it, as SQL.
//!
//! Messages come in two halves, what is undecided and what is decided, because their indexes do: an index of decided messages gets
//! an entry when a message is decided, and none before. A page is both halves merged, a count is their sum. Each half is read in the
//! order of its index, and no further than the page needs.

use photinus_model::{Hash, Uuid};
use photinus_query::{Condition, Filter, Operator, Query, Sort, Value as Wanted, collection::Order};

use super::{
    filter::{self, column, shown},
    sql::{Dialect, Sql},
};
use crate::{
    error::Error,
    schema::{INDEXED, Table},
    value::escape,
};

/// What tells the halves apart, in the words of their indexes.
pub(super) const HALVES: [&str; 2] = [" AND confirmed IS NULL", " AND confirmed IS NOT NULL"];

/// The order of messages, in the words of the indexes.
const MESSAGES: [&str; 2] = ["coalesce(confirmed, 9223372036854775807)", "coalesce(created, 0)"];

/// What rows are asked for.
pub(super) struct Wants<'a, C> {
    pub(super) table: &'static Table,
    pub(super) ns: i64,
    pub(super) query: &'a Query,
    /// A condition beside the filter; it is given the number of the namespace.
    pub(super) condition: C,
}

/// One key of the order: what is compared, and from where to where.
struct Key {
    of: String,
    direction: &'static str,
}

impl<C: Fn(&mut Sql, i64)> Wants<'_, C> {
    /// The rows of the page. More values than the columns of the table may follow them.
    pub(super) fn page(&self, dialect: Dialect) -> Result<Sql, Error> {
        let keys = self.keys(dialect)?;
        let mut sql = Sql::new(dialect, "");
        if !self.is_halved() || !(self.is_in_order_of_halves(dialect) || finds_in_halves(&self.query.filter)) {
            sql.push_columns(self.table);
            self.push_from(&mut sql, "")?;
            self.push_order(&mut sql, keys.iter().map(|key| (key.of.clone(), key.direction)));
            self.push_bounds(&mut sql);
            return Ok(sql);
        }
        let named = || keys.iter().enumerate().map(|(index, key)| (format!("k{index}"), key.direction));
        let values: String =
            keys.iter().zip(named()).map(|(key, (name, _))| format!(", {} AS {name}", key.of)).collect();
        // SQLite merges halves that are in order. PostgreSQL does so with those that are pages themselves.
        let (begin, between, end) = match dialect {
            Dialect::Sqlite => ("", " UNION ALL ", ""),
            Dialect::Postgres => (" FROM ((", ") UNION ALL (", ")) halves"),
        };
        if dialect == Dialect::Postgres {
            sql.push_columns(self.table);
        }
        sql.push(begin);
        for (index, half) in HALVES.iter().enumerate() {
            if index > 0 {
                sql.push(between);
            }
            sql.push_columns(self.table).push(&values);
            self.push_from(&mut sql, half)?;
            if dialect == Dialect::Postgres {
                self.push_order(&mut sql, named());
                if let Some(limit) = self.query.limit {
                    sql.push(" LIMIT ").bind(bound(limit.saturating_add(self.query.skip)));
                }
            }
        }
        sql.push(end);
        self.push_order(&mut sql, named());
        self.push_bounds(&mut sql);
        Ok(sql)
    }

    /// How many rows pass.
    pub(super) fn count(&self, dialect: Dialect) -> Result<Sql, Error> {
        let mut sql = Sql::new(dialect, "");
        if self.is_halved() && finds_in_halves(&self.query.filter) {
            let [undecided, decided] = HALVES;
            sql.push("SELECT (SELECT count(*)");
            self.push_from(&mut sql, undecided)?;
            sql.push(") + (SELECT count(*)");
            self.push_from(&mut sql, decided)?;
            sql.push(")");
        } else {
            sql.push("SELECT count(*)");
            self.push_from(&mut sql, "")?;
        }
        Ok(sql)
    }

    fn is_halved(&self) -> bool {
        self.table.collection.is_some_and(|collection| collection.order == Order::UnconfirmedFirst)
    }

    /// Whether the halves have indexes in the order that is asked for, or few rows.
    fn is_in_order_of_halves(&self, dialect: Dialect) -> bool {
        // SQLite has one index by the time of creation for both.
        let in_order = |first: &Sort| dialect == Dialect::Postgres && first.field.name == "created";
        self.query.sort.first().is_none_or(in_order)
    }

    /// Adds the rows that pass.
    fn push_from(&self, sql: &mut Sql, half: &str) -> Result<(), Error> {
        sql.push(" FROM \"").push(self.table.name).push("\" WHERE ns = ").bind(self.ns).push(half);
        if self.query.filter != Filter::everything() {
            sql.push(" AND ");
            filter::push_filter(sql, self.table, &self.query.filter)?;
        }
        if self.is_halved() && self.query.sort.is_empty() {
            push_times(sql, &self.query.filter);
        }
        (self.condition)(sql, self.ns);
        Ok(())
    }

    /// The keys of the order, without the number of the row, which is the last of each.
    fn keys(&self, dialect: Dialect) -> Result<Vec<Key>, Error> {
        if self.query.sort.is_empty() {
            let own = if self.is_halved() { MESSAGES.as_slice() } else { &[] };
            return Ok(own.iter().map(|of| Key { of: (*of).to_owned(), direction: " DESC" }).collect());
        }
        let key =
            |sort: &Sort| Ok(Key { of: shown(column(self.table, sort.field)?), direction: direction(dialect, *sort) });
        self.query.sort.iter().map(key).collect()
    }

    fn push_order(&self, sql: &mut Sql, keys: impl Iterator<Item = (String, &'static str)>) {
        sql.push(" ORDER BY ");
        for (of, direction) in keys {
            sql.push(&of).push(direction).push(", ");
        }
        sql.push("seq DESC");
    }

    fn push_bounds(&self, sql: &mut Sql) {
        match (self.query.limit, sql.dialect()) {
            (Some(limit), _) => {
                sql.push(" LIMIT ").bind(bound(limit));
            }
            // SQLite knows no OFFSET without LIMIT.
            (None, Dialect::Sqlite) if self.query.skip > 0 => {
                sql.push(" LIMIT -1");
            }
            (None, _) => {}
        }
        if self.query.skip > 0 {
            sql.push(" OFFSET ").bind(bound(self.query.skip));
        }
    }
}

fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Null is above everything, as PostgreSQL has it.
fn direction(dialect: Dialect, sort: Sort) -> &'static str {
    match (dialect, sort.descending) {
        (Dialect::Sqlite, false) => " ASC NULLS LAST",
        (Dialect::Sqlite, true) => " DESC NULLS FIRST",
        (Dialect::Postgres, false) => " ASC",
        (Dialect::Postgres, true) => " DESC",
    }
}

/// The conditions that must hold whatever else does.
fn demands(filter: &Filter) -> Vec<&Condition> {
    match filter {
        Filter::Is(condition) => vec![condition],
        Filter::All(filters) => filters.iter().flat_map(demands).collect(),
        Filter::Any(_) => Vec::new(),
    }
}

/// Whether an index of a half has the rows that pass, and of the decided half in order or few.
fn finds_in_halves(filter: &Filter) -> bool {
    demands(filter).into_iter().any(|condition| {
        let name = condition.field.name;
        let is_equal = condition.operator == Operator::Equal;
        match &condition.value {
            _ if condition.not || condition.ignore_case => false,
            Wanted::Time(_) => name == "created" && (is_equal || condition.operator.is_order()),
            Wanted::Text(text) => is_equal && is_indexed(name, text),
            _ => false,
        }
    })
}

/// Whether an index of a half has a value of a field.
fn is_indexed(field: &str, text: &str) -> bool {
    match field {
        "batch" | "txid" => text.parse::<Uuid>().is_ok(),
        "group" => Hash::parse_strict(text).is_ok_and(|hash| hash.to_string() == *text),
        "state" => !text.is_empty() && text != "confirmed",
        "author" | "key" | "tag" | "topics" | "type" => !text.is_empty() && escape(text).chars().count() <= INDEXED,
        _ => false,
    }
}

/// Says bounds of the times once more, in the words of the indexes that have the order: rows outside are then not read.
fn push_times(sql: &mut Sql, filter: &Filter) {
    for condition in demands(filter) {
        let words = match condition.field.name {
            "confirmed" => MESSAGES[0],
            "created" => MESSAGES[1],
            _ => continue,
        };
        if let (true, false, Wanted::Time(time)) = (condition.operator.is_order(), condition.not, &condition.value) {
            sql.push(" AND ");
            filter::compare(sql, words, condition.operator, (*time).into());
        }
    }
}
