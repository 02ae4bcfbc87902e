//! The same language as a JSON object, for queries that do not fit into a URL.
//!
//! ```json
//! {
//!   "equal": [{ "field": "tag", "value": "bill" }],
//!   "greaterThan": [{ "field": "created", "value": "-1h" }],
//!   "or": [{ "in": [{ "field": "state", "values": ["pending", "ready"] }] }, { "null": [{ "field": "batch" }] }],
//!   "sort": ["-created"], "limit": 10, "skip": 0, "count": true
//! }
//! ```
//!
//! Everything on one level must hold. Of the members of `or` one must, beside what stands next to it. Other than in a URL, a name
//! that nobody knows is refused: nothing was ever written against this form that sends such.

use photinus_model::Time;
use serde_json::{Map, Value as Json};

use crate::{
    collection::{Collection, Field},
    filter::{Condition, Filter, Operator, Query, Sort, Value},
    rest::{Error, Limits, MAX_CONDITIONS, typed},
};

/// How deep `or` may be nested.
const MAX_DEPTH: usize = 8;

/// Reads a query.
///
/// # Errors
/// See [`Error`]; clients get status 400.
pub fn parse(collection: &'static Collection, body: &Json, limits: Limits, now: Time) -> Result<Query, Error> {
    let mut reader = Reader { collection, now, conditions: 0 };
    let body = object(body, "the query")?;
    let number = |name: &str| -> Result<Option<u64>, Error> {
        let value = body.get(name).filter(|value| !value.is_null());
        value.map(|value| value.as_u64().ok_or_else(|| shape(name, "a number from 0"))).transpose()
    };
    let skip = number("skip")?.unwrap_or(0);
    if limits.max_skip != 0 && skip > limits.max_skip {
        return Err(Error::Skip(limits.max_skip));
    }
    let limit = number("limit")?.unwrap_or(limits.default_limit);
    if limits.max_limit != 0 && limit > limits.max_limit {
        return Err(Error::Limit(limits.max_limit));
    }
    let count = match body.get("count") {
        None | Some(Json::Null) => false,
        Some(value) => value.as_bool().ok_or_else(|| shape("count", "true or false"))?,
    };
    let sort = match body.get("sort") {
        None | Some(Json::Null) => Vec::new(),
        Some(keys) => array(keys, "sort")?.iter().map(|key| reader.sort(key)).collect::<Result<_, _>>()?,
    };
    let filter = reader.level(body, true, 0)?;
    Ok(Query { filter, sort, skip, limit: (limit != 0).then_some(limit), count })
}

fn shape(place: &str, expected: &'static str) -> Error {
    Error::Shape { place: place.to_owned(), expected }
}

fn object<'a>(value: &'a Json, place: &str) -> Result<&'a Map<String, Json>, Error> {
    value.as_object().ok_or_else(|| shape(place, "an object"))
}

fn array<'a>(value: &'a Json, place: &str) -> Result<&'a [Json], Error> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| shape(place, "an array"))
}

struct Reader {
    collection: &'static Collection,
    now: Time,
    conditions: usize,
}

impl Reader {
    fn field(&self, name: &Json, place: &str) -> Result<&'static Field, Error> {
        let name = name.as_str().ok_or_else(|| shape(place, "a member 'field' with the name of a field"))?;
        self.collection.field(&name.to_ascii_lowercase()).ok_or_else(|| Error::Field {
            field: name.to_owned(),
            collection: self.collection.name,
            fields: self.collection.fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", "),
        })
    }

    fn sort(&self, key: &Json) -> Result<Sort, Error> {
        let text = key.as_str().unwrap_or_default();
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        Ok(Sort { field: self.field(&Json::String(name.to_owned()), "sort")?, descending })
    }

    /// Everything on one level.
    fn level(&mut self, level: &Map<String, Json>, top: bool, depth: usize) -> Result<Filter, Error> {
        if depth > MAX_DEPTH {
            return Err(shape("or", "at most 8 levels"));
        }
        let mut all = Vec::new();
        for (name, members) in level.iter().filter(|(_, members)| !members.is_null()) {
            if top && matches!(name.as_str(), "skip" | "limit" | "count" | "sort") {
                continue;
            }
            let members = array(members, name)?;
            if name == "or" {
                let any = members.iter().map(|member| self.level(object(member, "or")?, false, depth + 1));
                all.push(Filter::Any(any.collect::<Result<_, _>>()?));
                continue;
            }
            for member in members {
                all.push(self.condition(name, object(member, name)?)?);
            }
        }
        Ok(Filter::All(all))
    }

    fn condition(&mut self, name: &str, member: &Map<String, Json>) -> Result<Filter, Error> {
        let (operator, negated) = match name {
            "equal" | "eq" | "in" | "null" => (Operator::Equal, false),
            "neq" | "nin" => (Operator::Equal, true),
            "contains" => (Operator::Contains, false),
            "startsWith" => (Operator::StartsWith, false),
            "endsWith" => (Operator::EndsWith, false),
            "lessThan" | "lt" => (Operator::Less, false),
            "lessThanOrEqual" | "lte" => (Operator::LessOrEqual, false),
            "greaterThan" | "gt" => (Operator::Greater, false),
            "greaterThanOrEqual" | "gte" => (Operator::GreaterOrEqual, false),
            _ => {
                return Err(shape(
                    name,
                    "one of equal, neq, contains, startsWith, endsWith, lt, lte, gt, gte, in, nin, null, or",
                ));
            }
        };
        let field = self.field(member.get("field").unwrap_or(&Json::Null), name)?;
        let flag = |flag: &str| match member.get(flag) {
            None | Some(Json::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| shape(flag, "true or false")),
        };
        let (not, ignore_case) = (flag("not")? != negated, flag("caseInsensitive")?);
        if operator.is_order() && (not || ignore_case) {
            return Err(Error::Modifier { field: field.name, operator: sign(operator) });
        }
        let mut one = |value: Value, not: bool| {
            self.conditions += 1;
            if self.conditions > MAX_CONDITIONS {
                return Err(Error::TooManyConditions);
            }
            let needs_text = operator.is_text_match() || ignore_case;
            if needs_text && !field.kind.is_text() {
                return Err(Error::NotText { field: field.name });
            }
            Ok(Filter::Is(Condition { field, operator, not, ignore_case, value }))
        };
        match name {
            "null" => one(Value::Null, not),
            "in" | "nin" => {
                if ignore_case {
                    return Err(Error::Modifier { field: field.name, operator: "in" });
                }
                let values = array(member.get("values").unwrap_or(&Json::Null), "values")?;
                let each = values.iter().map(|value| one(scalar(field, value, self.now)?, not));
                let each = each.collect::<Result<Vec<_>, _>>()?;
                Ok(if not { Filter::All(each) } else { Filter::Any(each) })
            }
            _ => one(scalar(field, member.get("value").unwrap_or(&Json::Null), self.now)?, not),
        }
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::GreaterOrEqual => ">=",
        _ => ">",
    }
}

fn scalar(field: &'static Field, value: &Json, now: Time) -> Result<Value, Error> {
    match value {
        Json::String(text) => typed(field, text, now),
        Json::Number(number) => typed(field, &number.to_string(), now),
        Json::Bool(truth) => typed(field, if *truth { "true" } else { "false" }, now),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(Error::Value {
            field: field.name,
            value: value.to_string(),
            expected: "a text, a number, true or false",
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{collection::MESSAGES, rest};

    fn read(body: Json) -> Result<Query, Error> {
        parse(&MESSAGES, &body, Limits::default(), Time::from_unix_nanos(1_700_000_000_000_000_000))
    }

    /// The same question as query parameters.
    #[track_caller]
    fn same(body: Json, pairs: &[(&str, &str)]) {
        let now = Time::from_unix_nanos(1_700_000_000_000_000_000);
        let expected = rest::parse(&MESSAGES, pairs, Limits::default(), now).unwrap().query;
        assert_eq!(read(body).unwrap(), expected);
    }

    #[test]
    fn both_forms_ask_the_same() {
        same(json!({}), &[]);
        same(json!({ "equal": [{ "field": "tag", "value": "a" }] }), &[("tag", "a")]);
        same(json!({ "neq": [{ "field": "TAG", "value": "a" }] }), &[("tag", "!a")]);
        same(
            json!({ "contains": [{ "field": "tag", "value": "a", "not": true, "caseInsensitive": true }] }),
            &[("tag", "!:@a")],
        );
        same(json!({ "gte": [{ "field": "sequence", "value": 5 }] }), &[("sequence", ">=5")]);
        same(json!({ "lt": [{ "field": "created", "value": "-1h" }] }), &[("created", "<-1h")]);
        same(json!({ "null": [{ "field": "batch", "not": true }] }), &[("batch", "!?")]);
        same(json!({ "in": [{ "field": "tag", "values": ["a", "b"] }] }), &[("tag", "a"), ("tag", "b")]);
        same(json!({ "nin": [{ "field": "tag", "values": ["a", "b"] }] }), &[("tag", "[!a"), ("tag", "[!b")]);
        let page = [("limit", "3"), ("skip", "2"), ("count", ""), ("sort", "-created,tag")];
        same(json!({ "limit": 3, "skip": 2, "count": true, "sort": ["-created", "tag"] }), &page);
    }

    #[test]
    fn one_of_the_members_of_or_must_hold() {
        let tag = |tag: &str| json!({ "equal": [{ "field": "tag", "value": tag }] });
        let query =
            read(json!({ "or": [tag("a"), tag("b")], "equal": [{ "field": "state", "value": "ready" }] })).unwrap();
        let Filter::All(all) = query.filter else { panic!("all") };
        assert!(all.iter().any(|filter| matches!(filter, Filter::Any(any) if any.len() == 2)), "{all:?}");
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let deep = (0..20).fold(json!({}), |inner, _| json!({ "or": [inner] }));
        let many = json!({ "in": [{ "field": "tag", "values": (0..300).collect::<Vec<_>>() }] });
        for (body, code) in [
            (json!([]), "FF00161"),
            (json!({ "equal": {} }), "FF00161"),
            (json!({ "equals": [{ "field": "tag", "value": "a" }] }), "FF00161"),
            (json!({ "equal": [{ "value": "a" }] }), "FF00161"),
            (json!({ "equal": [{ "field": "nope", "value": "a" }] }), "FF00142"),
            (json!({ "sort": ["nope"] }), "FF00142"),
            (json!({ "equal": [{ "field": "tag" }] }), "FF00143"),
            (json!({ "equal": [{ "field": "sequence", "value": "x" }] }), "FF00143"),
            (json!({ "lt": [{ "field": "sequence", "value": 1, "not": true }] }), "FF00193"),
            (json!({ "in": [{ "field": "tag", "values": ["a"], "caseInsensitive": true }] }), "FF00193"),
            (json!({ "contains": [{ "field": "sequence", "value": 1 }] }), "FF00145"),
            (json!({ "limit": -1 }), "FF00161"),
            (json!({ "limit": 5000 }), "FF00192"),
            (json!({ "skip": 5000 }), "FF00191"),
            (json!({ "count": "yes" }), "FF00161"),
            (deep, "FF00161"),
            (many, "FF00192"),
        ] {
            assert_eq!(read(body.clone()).unwrap_err().code(), code, "{body}");
        }
    }
}
