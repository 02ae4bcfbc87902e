//! Query parameters of the REST interface: `field=[modifiers][operator]text`, `limit`, `skip`, `sort`, `count`.

use photinus_model::Time;

use crate::{
    collection::{Collection, Field, Kind},
    filter::{Condition, Filter, Operator, Query, Sort, Value},
};

/// The bounds of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many rows when the query does not say.
    pub default_limit: u64,
    /// The largest `limit`; 0 is no bound.
    pub max_limit: u64,
    /// The largest `skip`; 0 is no bound.
    pub max_skip: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { default_limit: 25, max_limit: 1000, max_skip: 1000 }
    }
}

/// How many conditions one query may hold; a longer one is refused before it becomes SQL.
pub const MAX_CONDITIONS: usize = 200;

/// Why query parameters are refused. Each has the code that clients of FireFly know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text that is not a value of the field's type (`FF00143`).
    #[error("field '{field}' cannot be compared with '{value}': {expected} expected")]
    Value {
        /// The field.
        field: &'static str,
        /// The text.
        value: String,
        /// What would be right.
        expected: &'static str,
    },
    /// Null with an operator that needs a text or a number (`FF00144`).
    #[error("field '{field}' cannot be compared with null by operator '{operator}'")]
    Null {
        /// The field.
        field: &'static str,
        /// The operator.
        operator: &'static str,
    },
    /// Matching of text on a field that holds none (`FF00145`).
    #[error("field '{field}' is not text and cannot be matched as text")]
    NotText {
        /// The field.
        field: &'static str,
    },
    /// A `skip` above the bound (`FF00191`).
    #[error("skip is at most {0}")]
    Skip(u64),
    /// A `limit` above the bound (`FF00192`).
    #[error("limit is at most {0}")]
    Limit(u64),
    /// A modifier with an operator of order (`FF00193`).
    #[error("field '{field}': operator '{operator}' takes none of the modifiers '!', ':' and '?'")]
    Modifier {
        /// The field.
        field: &'static str,
        /// The operator.
        operator: &'static str,
    },
    /// A field that the collection does not have (`FF00142`).
    #[error("'{field}' is not a field of {collection}: use one of {fields}")]
    Field {
        /// What was named.
        field: String,
        /// The collection.
        collection: &'static str,
        /// Its fields.
        fields: String,
    },
    /// A JSON query that has another form (`FF00161`).
    #[error("{place}: {expected} expected")]
    Shape {
        /// Where.
        place: String,
        /// What would be right.
        expected: &'static str,
    },
    /// More conditions than one query may hold (`FF00192`).
    #[error("a query has at most {MAX_CONDITIONS} conditions")]
    TooManyConditions,
}

impl Error {
    /// The code of the REST interface.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Field { .. } => "FF00142",
            Self::Shape { .. } => "FF00161",
            Self::Value { .. } => "FF00143",
            Self::Null { .. } => "FF00144",
            Self::NotText { .. } => "FF00145",
            Self::Skip(_) => "FF00191",
            Self::Limit(_) | Self::TooManyConditions => "FF00192",
            Self::Modifier { .. } => "FF00193",
        }
    }
}

/// A query, and the parameters that are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The query.
    pub query: Query,
    /// Names of parameters that this language does not know, in order of appearance; the route may know them.
    pub unknown: Vec<String>,
}

/// Parameters of a listing beside the fields.
const CONTROLS: [&str; 6] = ["skip", "limit", "sort", "ascending", "descending", "count"];

/// Reads decoded query parameters.
///
/// Names are read in any case. Different fields must all match; of the values of one field, one must match, or all
/// if any of them says `[`.
///
/// # Errors
/// See [`Error`]; clients get status 400.
pub fn parse<N: AsRef<str>, V: AsRef<str>>(
    collection: &'static Collection,
    pairs: &[(N, V)],
    limits: Limits,
    now: Time,
) -> Result<Parsed, Error> {
    let values = |name: &str| -> Vec<&str> {
        pairs.iter().filter(|(n, _)| n.as_ref().eq_ignore_ascii_case(name)).map(|(_, v)| v.as_ref()).collect()
    };
    if pairs.len() > MAX_CONDITIONS {
        return Err(Error::TooManyConditions);
    }
    let mut all = Vec::new();
    for field in collection.fields {
        if let Some(filter) = conditions(field, values(field.name), now)? {
            all.push(filter);
        }
    }
    let number = |name: &str| values(name).first().copied().map(unsigned);
    let skip = number("skip").unwrap_or(0);
    if limits.max_skip != 0 && skip > limits.max_skip {
        return Err(Error::Skip(limits.max_skip));
    }
    let limit = number("limit").unwrap_or(limits.default_limit);
    if limits.max_limit != 0 && limit > limits.max_limit {
        return Err(Error::Limit(limits.max_limit));
    }
    let flag = |name: &str| values(name).first().is_some_and(|v| v.is_empty() || v.eq_ignore_ascii_case("true"));
    let direction = if flag("descending") { Some(true) } else { flag("ascending").then_some(false) };
    let sort = values("sort").into_iter().flat_map(|v| v.split(',')).filter_map(|key| {
        let key = key.trim();
        let (name, descending) = key.strip_prefix('-').map_or((key, false), |name| (name, true));
        Some(Sort { field: collection.field(name)?, descending: direction.unwrap_or(descending) })
    });
    let query = Query {
        filter: Filter::All(all),
        sort: sort.collect(),
        skip,
        limit: (limit != 0).then_some(limit),
        count: flag("count"),
    };
    let known = |name: &str| {
        CONTROLS.iter().any(|c| c.eq_ignore_ascii_case(name))
            || collection.fields.iter().any(|f| f.name.eq_ignore_ascii_case(name))
    };
    let unknown = pairs.iter().map(|(n, _)| n.as_ref()).filter(|n| !known(n)).map(str::to_owned).collect();
    Ok(Parsed { query, unknown })
}

/// Digits as a number, the largest if there are too many; anything else is 0.
fn unsigned(text: &str) -> u64 {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(u64::MAX)
}

/// The values of one field as one filter.
fn conditions(field: &'static Field, mut values: Vec<&str>, now: Time) -> Result<Option<Filter>, Error> {
    values.sort_unstable();
    let mut combine_all = false;
    let mut filters = Vec::with_capacity(values.len());
    for value in values {
        let prefix = Prefix::read(value);
        combine_all |= prefix.all;
        filters.push(Filter::Is(condition(field, &prefix, value, now)?));
    }
    Ok(match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ if combine_all => Some(Filter::All(filters)),
        _ => Some(Filter::Any(filters)),
    })
}

/// What stands before the text of a value.
#[derive(Debug, Default, PartialEq, Eq)]
struct Prefix {
    /// One of the operators, or empty.
    operator: &'static str,
    not: bool,
    ignore_case: bool,
    empty_is_null: bool,
    all: bool,
    /// How many bytes the prefix has.
    length: usize,
}

impl Prefix {
    fn read(value: &str) -> Self {
        let mut prefix = Self::default();
        for byte in value.bytes() {
            let (operator, last) = match (prefix.operator, byte) {
                (_, b'!' | b':' | b'?' | b'[' | b']') => {
                    match byte {
                        b'!' => prefix.not = true,
                        b':' => prefix.ignore_case = true,
                        b'?' => prefix.empty_is_null = true,
                        _ => prefix.all = byte == b'[',
                    }
                    (prefix.operator, false)
                }
                ("", b'>') => (">", false),
                ("", b'<') => ("<", false),
                (">", b'>') => (">>", true),
                ("<", b'<') => ("<<", true),
                (">", b'=') => (">=", true),
                ("<", b'=') => ("<=", true),
                ("", b'=') => ("=", true),
                ("", b'@') => ("@", true),
                ("", b'^') => ("^", true),
                ("", b'$') => ("$", true),
                // An operator of two characters that does not exist is equality with what follows it.
                (">" | "<", b'@' | b'^' | b'$') => ("", true),
                _ => break,
            };
            prefix.operator = operator;
            prefix.length += 1;
            if last {
                break;
            }
        }
        prefix
    }
}

fn condition(field: &'static Field, prefix: &Prefix, value: &str, now: Time) -> Result<Condition, Error> {
    let operator = match prefix.operator {
        "@" => Operator::Contains,
        "^" => Operator::StartsWith,
        "$" => Operator::EndsWith,
        ">" | ">>" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "<" | "<<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        _ => Operator::Equal,
    };
    if operator.is_order() && (prefix.not || prefix.ignore_case || prefix.empty_is_null) {
        return Err(Error::Modifier { field: field.name, operator: prefix.operator });
    }
    let text = value.get(prefix.length..).unwrap_or_default();
    let needs_text = operator.is_text_match() || prefix.ignore_case;
    let value = if prefix.empty_is_null && text.is_empty() {
        if needs_text {
            let operator = if prefix.operator.is_empty() { ":" } else { prefix.operator };
            return Err(Error::Null { field: field.name, operator });
        }
        Value::Null
    } else if needs_text && !field.kind.is_text() {
        return Err(Error::NotText { field: field.name });
    } else {
        typed(field, text, now)?
    };
    Ok(Condition { field, operator, not: prefix.not, ignore_case: prefix.ignore_case, value })
}

/// A time from now: `now`, `-1h30m`, `now-5m`, `now+10s`. A plus may come as the space that it stands for in a URL.
fn relative(text: &str, now: Time) -> Option<Time> {
    let rest = text.strip_prefix("now").unwrap_or(text);
    if rest.is_empty() {
        return (rest.len() < text.len()).then_some(now);
    }
    let (back, length) = match rest.strip_prefix('-') {
        Some(length) => (true, length),
        None => (false, rest.strip_prefix(['+', ' '])?),
    };
    // A bare number would be milliseconds in one place and seconds in the other.
    if length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length = i64::try_from(length.parse::<photinus_model::Duration>().ok()?.0.as_nanos()).ok()?;
    let at = now.as_unix_nanos();
    let at = if back { at.checked_sub(length) } else { at.checked_add(length) };
    at.map(Time::from_unix_nanos)
}

/// Reads a text as the field's type.
pub(crate) fn typed(field: &'static Field, text: &str, now: Time) -> Result<Value, Error> {
    let wrong = |expected| Error::Value { field: field.name, value: text.to_string(), expected };
    Ok(match field.kind {
        Kind::Integer => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        Kind::Time => {
            let time = text.parse().ok().or_else(|| relative(text, now));
            Value::Time(time.ok_or_else(|| wrong("RFC 3339, a Unix time, or a time from now such as -1h30m"))?)
        }
        Kind::Bool => Value::Bool(text.eq_ignore_ascii_case("true")),
        Kind::Text | Kind::Uuid | Kind::Hash | Kind::Json | Kind::TextArray => Value::Text(text.to_owned()),
    })
}
