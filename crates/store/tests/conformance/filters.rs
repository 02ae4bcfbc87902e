//! Typed queries against a naive reading of the same rows.

use std::sync::Arc;

use photinus_model::{
    Time,
    data::Data,
    message::{Message, State},
    pin::Pin,
    transaction,
};
use photinus_query::{Collection, Condition, Field, Filter, Kind, Operator, Query, Value, collection};
use photinus_store::{Change, Store, Stored};
use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};

use crate::{
    backends::{NS, Place, commit, commit_in},
    records,
    records::{hash, id, json, time},
};

/// A field of a record as queries see it.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Null,
    Text(String),
    Number(i64),
    Bool(bool),
}

impl Seen {
    fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    fn opt_text(text: Option<impl ToString>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    fn time(time: Option<Time>) -> Self {
        time.map_or(Self::Null, |time| Self::Number(time.as_unix_nanos()))
    }
}

/// SQL's logic: `None` is unknown.
fn holds(filter: &Filter, field: &dyn Fn(&Field) -> Seen) -> Option<bool> {
    let all = |filters: &[Filter], end: bool| {
        let results: Vec<_> = filters.iter().map(|filter| holds(filter, field)).collect();
        if results.contains(&Some(end)) {
            Some(end)
        } else if results.contains(&None) {
            None
        } else {
            Some(!end)
        }
    };
    match filter {
        Filter::All(filters) => all(filters, false),
        Filter::Any(filters) => all(filters, true),
        Filter::Is(condition) => is(condition, &field(condition.field)).map(|result| result != condition.not),
    }
}

fn is(condition: &Condition, seen: &Seen) -> Option<bool> {
    let ordered = |order: std::cmp::Ordering| match condition.operator {
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        _ => order.is_eq(),
    };
    match (&condition.value, seen) {
        (Value::Null, seen) => Some(*seen == Seen::Null),
        (_, Seen::Null) => None,
        (Value::Integer(value), Seen::Number(seen)) => Some(ordered(seen.cmp(value))),
        (Value::Time(value), Seen::Number(seen)) => Some(ordered(seen.cmp(&value.as_unix_nanos()))),
        (Value::Bool(value), Seen::Bool(seen)) => Some(seen == value),
        (Value::Text(value), Seen::Text(seen)) => {
            let fold = |text: &str| if condition.ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
            let (seen, value) = (fold(seen), fold(value));
            Some(match condition.operator {
                Operator::Contains => seen.contains(&value),
                Operator::StartsWith => seen.starts_with(&value),
                Operator::EndsWith => seen.ends_with(&value),
                _ => ordered(seen.cmp(&value)),
            })
        }
        other => panic!("a value of the wrong type: {other:?}"),
    }
}

fn of_message(message: &Message, field: &Field) -> Seen {
    let header = &message.header;
    let parent = header.tx_parent.as_ref();
    match field.name {
        "author" => Seen::text(&header.author),
        "batch" => Seen::opt_text(message.batch),
        "cid" => Seen::opt_text(header.cid),
        "confirmed" => Seen::time(message.confirmed),
        "created" => Seen::time(header.created),
        "datahash" => Seen::opt_text(header.data_hash),
        "group" => Seen::opt_text(header.group),
        "hash" => Seen::opt_text(message.hash),
        "id" => Seen::text(header.id),
        "idempotencykey" => Seen::opt_text(message.idempotency_key.as_ref()),
        "key" => Seen::text(&header.key),
        "pins" => Seen::text(message.pins.join(",")),
        "rejectreason" => Seen::text(&message.reject_reason),
        // The first rows of a new database are numbered from one.
        "sequence" => Seen::Number(header.id.as_u128() as i64),
        "state" => Seen::text(message.state.map_or("", |state| state.as_str())),
        "tag" => Seen::text(&header.tag),
        "topics" => Seen::text(header.topics.join(",")),
        "txid" => Seen::opt_text(message.tx_id),
        "txparent.id" => Seen::opt_text(parent.and_then(|parent| parent.id)),
        "txparent.type" => Seen::text(parent.map_or("", |parent| parent.kind.as_str())),
        "txtype" => Seen::text(&header.tx_type),
        "type" => Seen::text(&header.kind),
        other => panic!("field {other} is not compared"),
    }
}

fn of_data(data: &Data, field: &Field) -> Seen {
    let (blob, datatype) = (data.blob.clone().unwrap_or_default(), data.datatype.clone().unwrap_or_default());
    match field.name {
        "blob.hash" => Seen::opt_text(blob.hash),
        "blob.name" => Seen::text(blob.name),
        "blob.path" => Seen::text(blob.path),
        "blob.public" => Seen::text(blob.public),
        "blob.size" => Seen::Number(blob.size),
        "created" => Seen::time(data.created),
        "datatype.name" => Seen::text(datatype.name),
        "datatype.version" => Seen::text(datatype.version),
        "hash" => Seen::opt_text(data.hash),
        "id" => Seen::text(data.id),
        "public" => Seen::text(&data.public),
        "validator" => Seen::text(&data.validator),
        "value" => Seen::opt_text(data.value.as_ref()),
        other => panic!("field {other} is not compared"),
    }
}

fn of_pin(pin: &Pin, field: &Field) -> Seen {
    match field.name {
        "batch" => Seen::text(pin.batch),
        "created" => Seen::time(Some(pin.created)),
        "dispatched" => Seen::Bool(pin.dispatched),
        "hash" => Seen::text(pin.hash),
        "index" => Seen::Number(pin.index),
        "masked" => Seen::Bool(pin.masked),
        "sequence" => Seen::Number(pin.sequence),
        other => panic!("field {other} is not compared"),
    }
}

/// Texts that meet the corners of both databases.
const TEXTS: [&str; 12] = ["", "a", "A", "ab", "Abc", "%", "_", "é", "É", "a\0b", "a'b", "0"];

fn messages() -> Vec<Message> {
    (1..=48)
        .map(|number: u128| {
            let text = |step: u128| TEXTS[(number * step % 12) as usize].to_owned();
            let every = |step: u128| number.is_multiple_of(step);
            let mut message = records::message(number);
            message.header.author = text(5);
            message.header.tag = text(7);
            message.header.topics = vec![text(1), "t".to_owned()];
            message.header.created = (!every(5)).then(|| time((number % 7) as i64));
            message.header.cid = (!every(3)).then(|| id(number % 4));
            message.header.group = every(4).then(|| hash(number % 3));
            message.header.tx_parent = every(2).then(|| photinus_model::message::TxParent {
                kind: transaction::Type::TokenTransfer,
                id: every(4).then(|| id(number)),
            });
            message.state = (!every(11)).then(|| State::ALL[(number % 7) as usize]);
            message.confirmed = every(3).then(|| time((number % 5) as i64));
            message.batch = every(6).then(|| id(number % 12));
            message.reject_reason = text(11);
            message.pins = if every(2) { Vec::new() } else { vec![text(3), "p".to_owned()] };
            message.idempotency_key = every(2).then(|| format!("{}{number}", text(7)));
            message
        })
        .collect()
}

fn data() -> Vec<Data> {
    (1..=30)
        .map(|number: u128| {
            let text = |step: u128| TEXTS[(number * step % 12) as usize].to_owned();
            let every = |step: u128| number.is_multiple_of(step);
            let mut data = records::data(number);
            data.value = (!every(4)).then(|| json(&format!(r#"{{"a":{}}}"#, number % 5)));
            data.public = text(7);
            if every(3) {
                data.blob = None;
            } else if let Some(blob) = &mut data.blob {
                (blob.name, blob.size) = (text(5), (number % 4) as i64);
                blob.hash = every(2).then(|| hash(number % 5));
            }
            data.datatype = (!every(5)).then(|| photinus_model::data::DatatypeRef { name: text(1), version: text(11) });
            data
        })
        .collect()
}

fn pins() -> Vec<Pin> {
    (1..=40)
        .map(|number| {
            let mut pin = records::pin(number % 4 + 1, number as i64 % 10);
            (pin.hash, pin.sequence) = (hash(number), number as i64);
            (pin.masked, pin.dispatched) = (number.is_multiple_of(2), number.is_multiple_of(3));
            pin
        })
        .collect()
}

/// Values that some rows have, parts of them, and others.
fn value(field: &'static Field, seen: Vec<Seen>) -> BoxedStrategy<Value> {
    let near = select(seen);
    match field.kind {
        Kind::Integer => near.prop_map(|seen| Value::Integer(if let Seen::Number(n) = seen { n } else { 3 })).boxed(),
        Kind::Time => near
            .prop_map(|seen| Value::Time(if let Seen::Number(n) = seen { Time::from_unix_nanos(n) } else { time(2) }))
            .boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        _ => (near, 0..6usize, 0..9usize, select(&TEXTS[..]))
            .prop_map(|(seen, form, cut, other)| {
                let Seen::Text(text) = seen else { return Value::Text(other.to_owned()) };
                let count = text.chars().count();
                Value::Text(match form {
                    0 => text.chars().take(cut % (count + 1)).collect(),
                    1 => text.chars().skip(count - cut % (count + 1)).collect(),
                    2 => text.to_ascii_uppercase(),
                    3 => text.chars().skip(cut % (count + 1)).take(2).collect(),
                    4 => other.to_owned(),
                    _ => text,
                })
            })
            .boxed(),
    }
}

fn condition(field: &'static Field, seen: Vec<Seen>) -> BoxedStrategy<Filter> {
    let order = [Operator::Greater, Operator::GreaterOrEqual, Operator::Less, Operator::LessOrEqual];
    let mut operators = vec![(Operator::Equal, true); 4];
    operators.extend(order.map(|operator| (operator, false)));
    if field.kind.is_text() {
        operators
            .extend([Operator::Contains, Operator::StartsWith, Operator::EndsWith].map(|operator| (operator, true)));
    }
    if field.kind == Kind::Bool {
        operators = vec![(Operator::Equal, true)];
    }
    let null =
        any::<bool>().prop_map(move |not| Condition { not, ..Condition::new(field, Operator::Equal, Value::Null) });
    let value = (select(operators), any::<bool>(), any::<bool>(), value(field, seen)).prop_map(
        move |((operator, free), not, ignore_case, value)| Condition {
            not: not && free,
            ignore_case: ignore_case && free && field.kind.is_text(),
            ..Condition::new(field, operator, value)
        },
    );
    prop_oneof![1 => null, 9 => value].prop_map(Filter::Is).boxed()
}

fn filter<T>(collection: &'static Collection, rows: Arc<Vec<T>>, see: fn(&T, &Field) -> Seen) -> BoxedStrategy<Filter>
where
    T: std::fmt::Debug + 'static,
{
    let leaf = select(collection.fields.iter().collect::<Vec<_>>())
        .prop_flat_map(move |field| condition(field, rows.iter().map(|row| see(row, field)).collect()));
    leaf.prop_recursive(3, 12, 4, |inner| {
        let list = proptest::collection::vec(inner, 0..4);
        prop_oneof![list.clone().prop_map(Filter::All), list.prop_map(Filter::Any)]
    })
    .boxed()
}

/// Asks the store and reads naively, many times. `rows` are in the order in which they were inserted.
fn compare<T>(store: &Store, collection: &'static Collection, rows: Vec<T>, see: fn(&T, &Field) -> Seen)
where
    T: Stored + std::fmt::Debug + PartialEq + Clone + 'static,
{
    let rows = Arc::new(rows);
    let runtime = tokio::runtime::Handle::current();
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&filter(collection, Arc::clone(&rows), see), |filter| {
        let mut expected: Vec<T> =
            rows.iter().filter(|row| holds(&filter, &|field| see(row, field)) == Some(true)).cloned().collect();
        expected.reverse();
        let mut query = Query::filtered(filter);
        query.count = true;
        // Newest first for every collection, so that results can be compared as lists.
        query.sort = Vec::new();
        let page = runtime.block_on(store.read(NS).find::<T>(&query));
        let page = page.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(page.total, Some(expected.len() as u64));
        let mut items = page.items;
        if collection.name == "messages" {
            items.sort_by_key(|item| std::cmp::Reverse(rows.iter().position(|row| row == item)));
        }
        prop_assert_eq!(items, expected);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{}: {error}", collection.name));
}

async fn check(place: Place) {
    let store = place.open().await;
    commit(&store, messages().into_iter().map(Change::InsertMessage)).await.unwrap();
    commit(&store, data().into_iter().map(Change::InsertData)).await.unwrap();
    commit(&store, [Change::InsertPins(pins())]).await.unwrap();
    // Rows of another namespace never show.
    let strange = messages().into_iter().map(|mut message| {
        message.header.tag = "strange".to_owned();
        Change::InsertMessage(message)
    });
    commit_in(&store, "other", strange).await.unwrap();
    let asked = store.clone();
    let compared = tokio::task::spawn_blocking(move || {
        compare(&asked, &collection::MESSAGES, messages(), of_message);
        compare(&asked, &collection::DATA, data(), of_data);
        compare(&asked, &collection::PINS, pins(), of_pin);
    });
    compared.await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite() {
    check(Place::file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres() {
    check(Place::server().await).await;
}
