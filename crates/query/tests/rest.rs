//! The query language of the REST interface, as tables.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use photinus_model::Time;
use photinus_query::{
    Collection, Condition, Filter, Operator, Value,
    collection::{DATA, EVENTS, MESSAGES, PINS},
    rest::{self, Limits, MAX_CONDITIONS, Parsed},
};
use proptest::prelude::*;

const NOW: Time = Time::from_unix_nanos(1_700_000_000_000_000_000);

fn parse(collection: &'static Collection, query: &[(&str, &str)]) -> Result<Parsed, rest::Error> {
    rest::parse(collection, query, Limits::default(), NOW)
}

/// The only condition of a query of one field with one value.
fn one(collection: &'static Collection, field: &str, value: &str) -> Result<Condition, rest::Error> {
    let Filter::All(mut all) = parse(collection, &[(field, value)])?.query.filter else { panic!("all") };
    match (all.pop(), all.len()) {
        (Some(Filter::Is(condition)), 0) => Ok(condition),
        other => panic!("{other:?}"),
    }
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn prefixes() {
    use Operator::{Contains, EndsWith, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, StartsWith};
    let (plain, not, any_case) = ((false, false), (true, false), (false, true));
    for (given, operator, (negated, ignore_case), value) in [
        ("cat", Equal, plain, text("cat")),
        ("=cat", Equal, plain, text("cat")),
        ("==cat", Equal, plain, text("=cat")),
        ("!cat", Equal, not, text("cat")),
        ("!=cat", Equal, not, text("cat")),
        ("=!cat", Equal, plain, text("!cat")),
        (":cat", Equal, any_case, text("cat")),
        (":=cat", Equal, any_case, text("cat")),
        ("@cat", Contains, plain, text("cat")),
        ("^cat", StartsWith, plain, text("cat")),
        ("$cat", EndsWith, plain, text("cat")),
        ("!@cat", Contains, not, text("cat")),
        ("!:@cat", Contains, (true, true), text("cat")),
        (":!@cat", Contains, (true, true), text("cat")),
        (":^cat", StartsWith, any_case, text("cat")),
        ("!$cat", EndsWith, not, text("cat")),
        ("@?", Contains, plain, text("?")),
        ("@", Contains, plain, text("")),
        ("?", Equal, plain, Value::Null),
        ("?=", Equal, plain, Value::Null),
        ("!?", Equal, not, Value::Null),
        ("!?=", Equal, not, Value::Null),
        ("?cat", Equal, plain, text("cat")),
        ("=?", Equal, plain, text("?")),
        ("!", Equal, not, text("")),
        ("", Equal, plain, text("")),
        (">1", Greater, plain, text("1")),
        (">>1", Greater, plain, text("1")),
        (">>>1", Greater, plain, text(">1")),
        (">=1", GreaterOrEqual, plain, text("1")),
        (">>=1", Greater, plain, text("=1")),
        ("<1", Less, plain, text("1")),
        ("<<1", Less, plain, text("1")),
        ("<=1", LessOrEqual, plain, text("1")),
        ("><x", Greater, plain, text("<x")),
        ("<>x", Less, plain, text(">x")),
        (">[1", Greater, plain, text("1")),
        ("[>1", Greater, plain, text("1")),
        (">@x", Equal, plain, text("x")),
        ("é!", Equal, plain, text("é!")),
        ("%_", Equal, plain, text("%_")),
    ] {
        let condition = one(&MESSAGES, "tag", given).unwrap();
        assert_eq!(condition.operator, operator, "{given}");
        assert_eq!((condition.not, condition.ignore_case), (negated, ignore_case), "{given}");
        assert_eq!(condition.value, value, "{given}");
    }
}

#[test]
fn refusals() {
    for (collection, field, given, code) in [
        (&MESSAGES, "tag", "?@", "FF00144"),
        (&MESSAGES, "tag", "?:", "FF00144"),
        (&MESSAGES, "tag", "?^", "FF00144"),
        (&MESSAGES, "tag", ">!1", "FF00193"),
        (&MESSAGES, "tag", "!>1", "FF00193"),
        (&MESSAGES, "tag", ">?", "FF00193"),
        (&MESSAGES, "tag", ":<=1", "FF00193"),
        (&MESSAGES, "sequence", "x", "FF00143"),
        (&MESSAGES, "sequence", "", "FF00143"),
        (&MESSAGES, "sequence", "1.5", "FF00143"),
        (&MESSAGES, "sequence", "@1", "FF00145"),
        (&MESSAGES, "sequence", ":1", "FF00145"),
        (&MESSAGES, "created", "^2021", "FF00145"),
        (&MESSAGES, "created", "yesterday", "FF00143"),
        (&MESSAGES, "created", "", "FF00143"),
        (&PINS, "masked", "$e", "FF00145"),
        (&MESSAGES, "limit", "1001", "FF00192"),
        (&MESSAGES, "limit", "99999999999999999999", "FF00192"),
        (&MESSAGES, "skip", "1001", "FF00191"),
    ] {
        let error = parse(collection, &[(field, given)]).unwrap_err();
        assert_eq!(error.code(), code, "{field}={given}");
    }
    let many: Vec<_> = (0..=MAX_CONDITIONS).map(|_| ("tag", "a")).collect();
    assert_eq!(parse(&MESSAGES, &many), Err(rest::Error::TooManyConditions));
}

#[test]
fn values_by_type() {
    let value = |collection, field, given| one(collection, field, given).unwrap().value;
    assert_eq!(value(&MESSAGES, "sequence", ">-5"), Value::Integer(-5));
    assert_eq!(value(&PINS, "masked", "TRUE"), Value::Bool(true));
    assert_eq!(value(&PINS, "masked", "1"), Value::Bool(false));
    assert_eq!(value(&PINS, "masked", "!true"), Value::Bool(true));
    let time = Value::Time(Time::from_unix_nanos(1_609_459_200_000_000_000));
    assert_eq!(value(&EVENTS, "created", ">2021-01-01T00:00:00Z"), time);
    assert_eq!(value(&EVENTS, "created", "<=1609459200"), time);
    assert_eq!(value(&EVENTS, "created", "<=1609459200000"), time);
    assert_eq!(value(&EVENTS, "created", "?"), Value::Null);
    // Compared as text, never read.
    assert_eq!(value(&MESSAGES, "id", "no uuid"), text("no uuid"));
    assert_eq!(value(&MESSAGES, "hash", "^AB"), text("AB"));
    assert_eq!(value(&MESSAGES, "topics", "a,b"), text("a,b"));
    assert_eq!(value(&DATA, "value", "@\"x\""), text("\"x\""));
}

#[test]
fn names_are_read_in_any_case() {
    let condition = one(&MESSAGES, "TxParent.Type", "x").unwrap();
    assert_eq!(condition.field.name, "txparent.type");
    let parsed = parse(&MESSAGES, &[("LIMIT", "3"), ("fetchData", ""), ("namespace", "x"), ("Count", "")]).unwrap();
    assert_eq!(parsed.query.limit, Some(3));
    assert!(parsed.query.count);
    assert_eq!(parsed.unknown, ["fetchData", "namespace"]);
}

#[test]
fn values_of_one_field_are_alternatives_unless_said_otherwise() {
    let filter = |query: &[(&str, &str)]| match parse(&MESSAGES, query).unwrap().query.filter {
        Filter::All(mut all) if all.len() == 1 => all.pop().unwrap(),
        other => panic!("{other:?}"),
    };
    let values = |filters: &[Filter]| -> Vec<Value> {
        let value = |filter: &Filter| match filter {
            Filter::Is(condition) => condition.value.clone(),
            other => panic!("{other:?}"),
        };
        filters.iter().map(value).collect()
    };
    match filter(&[("tag", "b"), ("TAG", "a")]) {
        Filter::Any(any) => assert_eq!(values(&any), [text("a"), text("b")]),
        other => panic!("{other:?}"),
    }
    match filter(&[("tag", "[!b"), ("tag", "!a")]) {
        Filter::All(all) => assert_eq!(values(&all), [text("a"), text("b")]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(filter(&[("tag", "[]!b"), ("tag", "!a")]), Filter::Any(_)));
    assert!(matches!(filter(&[("tag", "[a")]), Filter::Is(_)));
    let two = parse(&MESSAGES, &[("tag", "a"), ("type", "b")]).unwrap().query.filter;
    assert!(matches!(two, Filter::All(all) if all.len() == 2));
    assert_eq!(parse(&MESSAGES, &[]).unwrap().query.filter, Filter::everything());
}

#[test]
fn limits_and_skips() {
    let query = |pairs: &[(&str, &str)]| parse(&MESSAGES, pairs).unwrap().query;
    assert_eq!((query(&[]).limit, query(&[]).skip), (Some(25), 0));
    for (given, limit) in [("0", None), ("x", None), ("-1", None), ("", None), ("+5", None), ("1000", Some(1000))] {
        assert_eq!(query(&[("limit", given)]).limit, limit, "{given}");
    }
    assert_eq!(query(&[("limit", "5"), ("limit", "6")]).limit, Some(5));
    assert_eq!(query(&[("skip", "1000")]).skip, 1000);
    assert_eq!(query(&[("skip", "x")]).skip, 0);
    let free = Limits { default_limit: 7, max_limit: 0, max_skip: 0 };
    let parsed = rest::parse(&MESSAGES, &[("skip", "99999")], free, NOW).unwrap().query;
    assert_eq!((parsed.limit, parsed.skip), (Some(7), 99_999));
}

#[test]
fn orders() {
    let sort = |pairs: &[(&str, &str)]| -> Vec<(&str, bool)> {
        parse(&MESSAGES, pairs).unwrap().query.sort.iter().map(|key| (key.field.name, key.descending)).collect()
    };
    assert_eq!(
        sort(&[("sort", "created,-sequence"), ("sort", " tag ,,nope,Created")]),
        [("created", false), ("sequence", true), ("tag", false)]
    );
    assert_eq!(sort(&[("sort", "created,-tag"), ("descending", "")]), [("created", true), ("tag", true)]);
    assert_eq!(sort(&[("sort", "created,-tag"), ("ascending", "true")]), [("created", false), ("tag", false)]);
    assert_eq!(sort(&[("sort", "tag"), ("ascending", ""), ("descending", "TRUE")]), [("tag", true)]);
    assert_eq!(sort(&[("sort", "tag"), ("descending", "1")]), [("tag", false)]);
    assert_eq!(sort(&[("descending", "")]), []);
}

#[test]
fn counting() {
    for (given, count) in [("", true), ("true", true), ("TRUE", true), ("1", false), ("false", false)] {
        assert_eq!(parse(&MESSAGES, &[("count", given)]).unwrap().query.count, count, "{given}");
    }
}

proptest! {
    #[test]
    fn any_value_is_read_or_refused(values in prop::collection::vec("[!:?\\[\\]=@^$<>a0é]{0,6}", 0..4), field in 0_usize..22) {
        let name = MESSAGES.fields[field % MESSAGES.fields.len()].name;
        let pairs: Vec<_> = values.iter().map(|value| (name, value.as_str())).collect();
        if let Ok(parsed) = parse(&MESSAGES, &pairs) {
            prop_assert!(parsed.unknown.is_empty());
        }
    }
}

#[test]
fn times_may_be_told_from_now() {
    let now = NOW.as_unix_nanos();
    for (text, expected) in [
        ("now", Some(now)),
        (">=now", Some(now)),
        ("-1h30m", Some(now - 5_400_000_000_000)),
        ("now-50ms", Some(now - 50_000_000)),
        ("now+1s", Some(now + 1_000_000_000)),
        ("now 1s", Some(now + 1_000_000_000)),
        ("-5", Some(-5_000_000_000)),
        ("now-5", None),
        ("1h", None),
        ("nowadays", None),
        ("--1h", None),
        ("-", None),
        ("", None),
    ] {
        let found = one(&MESSAGES, "created", text);
        match expected {
            Some(nanos) => assert_eq!(found.unwrap().value, Value::Time(Time::from_unix_nanos(nanos)), "{text}"),
            None => assert_eq!(found.unwrap_err().code(), "FF00143", "{text}"),
        }
    }
}
