//! SQL text with its parameters, in the words of either database.

use std::fmt::Write as _;

use crate::{schema::Kind, value::Value};

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

    /// Adds a list of parameters in parentheses. Its length is rounded up, so that few texts need preparing.
    pub(crate) fn bind_list(&mut self, values: &[Value]) -> &mut Self {
        let rounded = values.len().next_power_of_two();
        self.push("(");
        for index in 0..rounded {
            if index > 0 {
                self.push(", ");
            }
            let value = values.get(index).or(values.last()).cloned();
            self.bind(value.unwrap_or(Value::Null));
        }
        self.push(")")
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
        let mut sql = Sql::new(Dialect::Sqlite, "a IN ");
        sql.bind_list(&[1.into(), 2.into(), 3.into()]);
        assert_eq!(sql.text, "a IN (?1, ?2, ?3, ?4)");
        assert_eq!(sql.params, [1, 2, 3, 3].map(Value::Int));
    }
}
