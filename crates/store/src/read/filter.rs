//! A typed query expression as SQL.

use std::fmt::Write as _;

use photinus_model::{Hash, Uuid};
use photinus_query::{Condition, Field, Filter, Operator, Value as Wanted};

use super::sql::{Dialect, Sql};
use crate::{
    error::Error,
    schema::{Column, INDEXED, Kind, Table},
    value::Value,
};

/// The column of a field.
pub(super) fn column(table: &'static Table, field: &'static Field) -> Result<&'static Column, Error> {
    let collection = table.collection.map_or(table.name, |collection| collection.name);
    let known = table.collection.and_then(|collection| collection.field(field.name));
    let name = if field.name == "sequence" { "seq".to_owned() } else { field.name.replace('.', "_") };
    known
        .and_then(|_| table.columns.iter().find(|column| column.name == name))
        .ok_or(Error::Field { collection, field: field.name })
}

/// A column as queries see it.
pub(super) fn shown(column: &Column) -> String {
    match column.unset {
        Some(unset) => format!("coalesce(\"{}\", {unset})", column.name),
        None => format!("\"{}\"", column.name),
    }
}

/// Adds the condition that a filter is.
pub(super) fn push_filter(sql: &mut Sql, table: &'static Table, filter: &Filter) -> Result<(), Error> {
    let (filters, joint, empty) = match filter {
        Filter::Is(condition) => return push_condition(sql, table, condition),
        Filter::All(filters) => (filters, " AND ", "1 = 1"),
        Filter::Any(filters) => (filters, " OR ", "1 = 0"),
    };
    if filters.is_empty() {
        sql.push(empty);
        return Ok(());
    }
    sql.push("(");
    for (index, filter) in filters.iter().enumerate() {
        if index > 0 {
            sql.push(joint);
        }
        push_filter(sql, table, filter)?;
    }
    sql.push(")");
    Ok(())
}

fn push_condition(sql: &mut Sql, table: &'static Table, condition: &Condition) -> Result<(), Error> {
    let column = column(table, condition.field)?;
    let shown = shown(column);
    if condition.not {
        sql.push("NOT ");
    }
    sql.push("(");
    match &condition.value {
        Wanted::Null => {
            sql.push(&shown).push(" IS NULL");
        }
        Wanted::Integer(number) => compare(sql, &shown, condition.operator, Value::Int(*number)),
        Wanted::Time(time) => compare(sql, &shown, condition.operator, Value::from(*time)),
        // Said in the words of the indexes.
        Wanted::Bool(false) if condition.operator == Operator::Equal => {
            sql.push("NOT ").push(&shown);
        }
        Wanted::Bool(value) => compare(sql, &shown, condition.operator, Value::Bool(*value)),
        Wanted::Text(text) => push_text(sql, column, condition, text),
    }
    sql.push(")");
    Ok(())
}

/// Adds a comparison with a parameter.
pub(super) fn compare(sql: &mut Sql, left: &str, operator: Operator, right: Value) {
    let sign = match operator {
        Operator::Greater => " > ",
        Operator::GreaterOrEqual => " >= ",
        Operator::Less => " < ",
        Operator::LessOrEqual => " <= ",
        // Matching of text is for text alone; of other values only equality is left.
        Operator::Equal | Operator::Contains | Operator::StartsWith | Operator::EndsWith => " = ",
    };
    sql.push(left).push(sign).bind(right);
}

fn push_text(sql: &mut Sql, column: &Column, condition: &Condition, text: &str) {
    let kind = column.kind;
    let lower = text.to_ascii_lowercase();
    let text = if condition.ignore_case { lower.as_str() } else { text };
    let folded = condition.ignore_case && kind == Kind::Text;
    if condition.operator == Operator::Equal
        && !folded
        && let Some(exact) = exact(kind, text)
    {
        if kind == Kind::Text && !text.is_empty() && !condition.not {
            push_indexed(sql, column, exact);
        } else {
            compare(sql, &shown(column), Operator::Equal, exact);
        }
        return;
    }
    let shown = shown(column);
    let mut left = sql.dialect().text_of(&shown, kind);
    if folded {
        left = match sql.dialect() {
            Dialect::Sqlite => format!("lower({left})"),
            Dialect::Postgres => format!("lower({left} COLLATE \"C\")"),
        };
    }
    if text.is_empty() && condition.operator.is_text_match() {
        // Every text has the empty one in it; null has nothing in it.
        sql.push(&left).push(" = ").push(&left);
        return;
    }
    let (head, middle, tail) = match (condition.operator, sql.dialect()) {
        (Operator::Contains, Dialect::Sqlite) => ("instr(", ", ", ") > 0"),
        (Operator::Contains, Dialect::Postgres) => ("strpos(", ", ", ") > 0"),
        (Operator::StartsWith, Dialect::Sqlite) => ("substr(", ", 1, length(", ")) = "),
        (Operator::StartsWith, Dialect::Postgres) => ("starts_with(", ", ", ")"),
        (Operator::EndsWith, Dialect::Sqlite) => ("substr(", ", -length(", ")) = "),
        (Operator::EndsWith, Dialect::Postgres) => ("right(", ", length(", ")) = "),
        _ => return compare(sql, &left, condition.operator, Value::from(text)),
    };
    sql.push(head).push(&left).push(middle).bind(text).push(tail);
    if tail.ends_with("= ") {
        sql.bind(text);
    }
}

/// Adds that a column has a text, in the words of the indexes, which leave out rows with nothing in the column, with what nearly all
/// rows have in it, or with a long text.
fn push_indexed(sql: &mut Sql, column: &Column, exact: Value) {
    let name = format!("\"{}\"", column.name);
    let (common, long) = match &exact {
        Value::Text(text) => (column.common.filter(|common| common != text), text.chars().count() > INDEXED),
        _ => (None, false),
    };
    compare(sql, &name, Operator::Equal, exact);
    sql.push(" AND ").push(&name).push(" <> ''");
    if let Some(common) = common {
        sql.push(" AND ").push(&name).push(" <> '").push(common).push("'");
    }
    if column.long && !long {
        // Writing to a string cannot fail.
        let _written = write!(sql.text, " AND length({name}) <= {INDEXED}");
    }
}

/// A text as a value of the column's own type, where only that value has this text.
fn exact(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::from(text)),
        Kind::Uuid => Uuid::try_parse(text).ok().filter(|id| id.to_string() == text).map(Value::Uuid),
        Kind::Hash => Hash::parse_strict(text).ok().filter(|hash| hash.to_string() == text).map(Value::Hash),
        Kind::Int | Kind::Bool | Kind::Bytes => None,
    }
}
