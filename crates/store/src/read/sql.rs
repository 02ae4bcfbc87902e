//! SQL text with its parameters, in the words of either database.

use std::fmt::Write as _;

use crate::{
    schema::{Kind, Table},
    value::Value,
};

/// Which database understands the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// How much a query may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// A few rows by an index.
    Small,
    /// Anything.
    Open,
}

/// A query. Its text consists of names and words of this crate alone; what comes from outside is a parameter.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    dialect: Dialect,
    pub(crate) text: String,
    pub(crate) params: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(dialect: Dialect, text: impl Into<String>) -> Self {
        Self { dialect, text: text.into(), params: Vec::new() }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds words.
    pub(crate) fn push(&mut self, words: &str) -> &mut Self {
        self.text.push_str(words);
        self
    }

    /// Adds `SELECT` with all columns of a table.
    pub(crate) fn push_columns(&mut self, table: &Table) -> &mut Self {
        for (index, column) in table.columns.iter().enumerate() {
            self.push(if index == 0 { "SELECT \"" } else { ", \"" }).push(column.name).push("\"");
        }
        self
    }

    /// Adds a parameter.
    pub(crate) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        let number = self.params.len() + 1;
        // Writing to a string cannot fail.
        let _written = match self.dialect {
            Dialect::Sqlite => write!(self.text, "?{number}"),
            Dialect::Postgres => write!(self.text, "${number}::{}", type_of(&value)),
        };
        self.params.push(value);
        self
    }

    /// Adds what rows are selected from: those of a table where a column has one of these values, and others have theirs.
    ///
    /// The number of values is rounded up, so that few texts need preparing. PostgreSQL is given no choice but to look
    /// for each value in an index that begins with the columns: what it believes of a table whose rows come and go is
    /// often wrong by orders of magnitude.
    pub(crate) fn push_from(&mut self, table: &str, fixed: &[(&str, Value)], column: &str, values: &[Value]) {
        let rounded = values.len().next_power_of_two();
        let padded = (0..rounded).map(|index| values.get(index).cloned());
        match self.dialect {
            Dialect::Sqlite => {
                self.push(" FROM \"").push(table).push("\" WHERE ");
                self.push_fixed(fixed);
                self.push("\"").push(column).push("\" IN (");
                for (index, value) in padded.enumerate() {
                    self.push(if index > 0 { ", " } else { "" }).bind(value.unwrap_or(Value::Null));
                }
                self.push(")");
            }
            Dialect::Postgres => {
                let kind = values.first().map_or("text", type_of);
                self.push(" FROM (VALUES ");
                for (index, value) in padded.enumerate() {
                    self.params.push(value.unwrap_or(Value::Null));
                    let comma = if index > 0 { ", " } else { "" };
                    // Writing to a string cannot fail.
                    let _written = write!(self.text, "{comma}(${}::{kind})", self.params.len());
                }
                self.push(") AS k(v) CROSS JOIN LATERAL (SELECT * FROM \"").push(table).push("\" WHERE ");
                self.push_fixed(fixed);
                self.push("\"").push(column).push("\" = k.v OFFSET 0) AS t");
            }
        }
    }

    /// Adds, for PostgreSQL, what entries of the key-value table are selected from: those in each of the ranges from a key up to and
    /// without another, at most `limit` of each, where the other columns have their values. `r.n` is the number of the range.
    pub(crate) fn push_ranges(&mut self, fixed: &[(&str, Value)], ranges: &[[Value; 2]], limit: usize) {
        self.push(" FROM (VALUES ");
        for index in 0..ranges.len().next_power_of_two() {
            let [from, to] = ranges.get(index).cloned().unwrap_or([Value::Null, Value::Null]);
            self.params.extend([from, to]);
            let (comma, last) = (if index > 0 { ", " } else { "" }, self.params.len());
            // Writing to a string cannot fail.
            let _written = write!(self.text, "{comma}({index}::bigint, ${}::bytea, ${last}::bytea)", last - 1);
        }
        self.push(") AS r(n, a, b) CROSS JOIN LATERAL (SELECT \"key\", \"value\" FROM entries WHERE ");
        self.push_fixed(fixed);
        self.push("\"key\" >= r.a AND \"key\" < r.b ORDER BY \"key\" LIMIT ");
        self.bind(i64::try_from(limit).unwrap_or(i64::MAX)).push(") AS e ORDER BY r.n, e.\"key\"");
    }

    fn push_fixed(&mut self, fixed: &[(&str, Value)]) {
        for (column, value) in fixed {
            self.push("\"").push(column).push("\" = ").bind(value.clone()).push(" AND ");
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Int(_) => "bigint",
        Value::Bool(_) => "boolean",
        Value::Text(_) | Value::Null => "text",
        Value::Uuid(_) => "uuid",
        Value::Hash(_) | Value::Bytes(_) => "bytea",
    }
}

impl Dialect {
    /// A column as the text that queries compare with; null stays null.
    pub(crate) fn text_of(self, column: &str, kind: Kind) -> String {
        match (self, kind) {
            (Self::Postgres, Kind::Uuid) => format!("({column}::text COLLATE \"C\")"),
            (Self::Postgres, Kind::Hash | Kind::Bytes) => format!("(encode({column}, 'hex') COLLATE \"C\")"),
            (Self::Sqlite, Kind::Uuid) => {
                let part = |from: u8, length: u8| format!("substr(hex({column}), {from}, {length})");
                let parts = [part(1, 8), part(9, 4), part(13, 4), part(17, 4), part(21, 12)].join(" || '-' || ");
                // The text of null is empty there, not null.
                format!("(CASE WHEN {column} IS NOT NULL THEN lower({parts}) END)")
            }
            (Self::Sqlite, Kind::Hash | Kind::Bytes) => {
                format!("(CASE WHEN {column} IS NOT NULL THEN lower(hex({column})) END)")
            }
            (_, Kind::Text | Kind::Int | Kind::Bool) => column.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_and_typed() {
        let mut sql = Sql::new(Dialect::Postgres, "SELECT ");
        sql.bind(7).push(", ").bind("x");
        assert_eq!(sql.text, "SELECT $1::bigint, $2::text");
    }

    #[test]
    fn one_of_many_values_is_looked_for() {
        let values = [1.into(), 2.into(), 3.into()];
        let mut sql = Sql::new(Dialect::Sqlite, "SELECT a");
        sql.push_from("t", &[("ns", 7.into())], "a", &values);
        assert_eq!(sql.text, "SELECT a FROM \"t\" WHERE \"ns\" = ?1 AND \"a\" IN (?2, ?3, ?4, ?5)");
        assert_eq!(sql.params, [Value::Int(7), Value::Int(1), Value::Int(2), Value::Int(3), Value::Null]);
        let mut sql = Sql::new(Dialect::Postgres, "SELECT a");
        sql.push_from("t", &[("ns", 7.into())], "a", &values[..1]);
        let lateral =
            "CROSS JOIN LATERAL (SELECT * FROM \"t\" WHERE \"ns\" = $2::bigint AND \"a\" = k.v OFFSET 0) AS t";
        assert_eq!(sql.text, format!("SELECT a FROM (VALUES ($1::bigint)) AS k(v) {lateral}"));
        assert_eq!(sql.params, [1, 7].map(Value::Int));
    }
}
