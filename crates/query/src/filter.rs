//! The typed expression that a store evaluates.

use photinus_model::Time;

use crate::collection::{Field, Kind};

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Equal. With [`Value::Null`]: is null.
    Equal,
    /// The text contains the value.
    Contains,
    /// The text starts with the value.
    StartsWith,
    /// The text ends with the value.
    EndsWith,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
}

impl Operator {
    /// Whether the operator looks into text.
    #[must_use]
    pub const fn is_text_match(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }

    /// Whether the operator compares by order.
    #[must_use]
    pub const fn is_order(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterOrEqual | Self::Less | Self::LessOrEqual)
    }
}

/// A value of the type that a field's [`Kind`] demands.
///
/// UUIDs, hashes, JSON and string arrays are compared as text: the lower-case hyphenated form, 64 hexadecimal digits,
/// the canonical JSON and the elements joined with commas.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// SQL null.
    Null,
    /// Text. No character in it is special.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A point in time.
    Time(Time),
    /// True or false.
    Bool(bool),
}

/// One comparison. Follows SQL's logic of null: a row whose field is null matches only [`Value::Null`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The field.
    pub field: &'static Field,
    /// How it is compared.
    pub operator: Operator,
    /// Whether the result is negated; never with an operator of order.
    pub not: bool,
    /// Whether letters of both cases are equal; only with text.
    pub ignore_case: bool,
    /// What it is compared with.
    pub value: Value,
}

impl Condition {
    /// The field equals a text.
    #[must_use]
    pub fn text(field: &'static Field, value: impl Into<String>) -> Self {
        Self::new(field, Operator::Equal, Value::Text(value.into()))
    }

    /// A comparison that is neither negated nor blind to case.
    #[must_use]
    pub const fn new(field: &'static Field, operator: Operator, value: Value) -> Self {
        Self { field, operator, not: false, ignore_case: false, value }
    }
}

/// A combination of conditions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All must hold; an empty list holds.
    All(Vec<Filter>),
    /// One must hold; an empty list does not.
    Any(Vec<Filter>),
    /// One comparison.
    Is(Condition),
}

impl Filter {
    /// The filter that every row passes.
    #[must_use]
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }
}

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        Self::Is(condition)
    }
}

/// One key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// The field.
    pub field: &'static Field,
    /// From high to low.
    pub descending: bool,
}

/// What a store is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Which rows.
    pub filter: Filter,
    /// In which order; empty means the collection's own, see [`crate::collection::Order`].
    pub sort: Vec<Sort>,
    /// How many rows to leave out at the front.
    pub skip: u64,
    /// How many rows at most; `None` is no limit.
    pub limit: Option<u64>,
    /// Whether the number of all rows that pass the filter is wanted too.
    pub count: bool,
}

impl Query {
    /// Every row in the collection's order, at most `limit`.
    #[must_use]
    pub const fn first(limit: u64) -> Self {
        Self { filter: Filter::everything(), sort: Vec::new(), skip: 0, limit: Some(limit), count: false }
    }

    /// The rows that pass a filter, in the collection's order, without a limit.
    #[must_use]
    pub fn filtered(filter: impl Into<Filter>) -> Self {
        Self { filter: filter.into(), sort: Vec::new(), skip: 0, limit: None, count: false }
    }

    /// Adds a condition that must hold beside the filter.
    #[must_use]
    pub fn and(mut self, more: impl Into<Filter>) -> Self {
        let more = more.into();
        self.filter = match self.filter {
            Filter::All(mut all) => {
                all.push(more);
                Filter::All(all)
            }
            other => Filter::All(vec![other, more]),
        };
        self
    }
}

impl Kind {
    /// Whether values are compared as text.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Uuid | Self::Hash | Self::Json | Self::TextArray)
    }
}
