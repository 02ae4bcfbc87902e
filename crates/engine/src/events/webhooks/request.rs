//! What is sent for an event, exactly as applications of FireFly know it. Pure.
//!
//! Data does not come with the event: for a message that has values it takes the event's place.

use std::collections::BTreeMap;

use bytes::Bytes;
use photinus_model::{JsonText, transaction};
use photinus_ports::webhooks::Call;

use super::options::Webhook;
use crate::events::Delivered;

/// An event with the values of its message, where they were asked for.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) event: Delivered,
    pub(super) values: Vec<JsonText>,
}

/// A call, and the transaction type that its data asks for its reply.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) call: Call,
    pub(super) reply_tx: Option<transaction::Type>,
}

/// Prepares the call for one event.
pub(super) fn single(hook: &Webhook, subject: &Subject) -> Result<Prepared, serde_json::Error> {
    let first = First::of(&subject.values)?;
    let (input, mut call) = (&hook.input, plain(hook));
    set_all(&mut call.query, first.texts(&input.query), |a, b| a == b);
    set_all(&mut call.headers, first.texts(&input.headers), str::eq_ignore_ascii_case);
    if let Some(path) = first.text(&input.path) {
        call.path = path.strip_prefix('/').unwrap_or(&path).split('/').map(str::to_owned).collect();
    }
    let reply_tx = first.scalar(&input.replytx).filter(|text| !text.is_empty()).map(|text| {
        let text = text.to_ascii_lowercase();
        if text == "true" { transaction::Type::BatchPin } else { text.as_str().into() }
    });
    if has_body(hook) {
        call.body = Some(Bytes::from(body(hook, subject, &first)?));
    }
    Ok(Prepared { call: complete(call), reply_tx })
}

/// Prepares the call for the events of a batch.
pub(super) fn batch(hook: &Webhook, subjects: &[Subject]) -> Result<Prepared, serde_json::Error> {
    let mut call = plain(hook);
    if has_body(hook) {
        let bodies: Result<Vec<String>, _> =
            subjects.iter().map(|subject| body(hook, subject, &First::of(&subject.values)?)).collect();
        call.body = Some(Bytes::from(array(&bodies?)));
    }
    Ok(Prepared { call: complete(call), reply_tx: None })
}

fn plain(hook: &Webhook) -> Call {
    Call {
        method: hook.method.clone(),
        url: hook.url.clone(),
        path: Vec::new(),
        query: hook.query.clone(),
        headers: hook.headers.clone(),
        body: None,
    }
}

fn has_body(hook: &Webhook) -> bool {
    matches!(hook.method.as_str(), "POST" | "PUT" | "PATCH")
}

fn body(hook: &Webhook, subject: &Subject, first: &First) -> Result<String, serde_json::Error> {
    if !hook.input.body.is_empty() {
        let named = first.0.get(&hook.input.body).filter(|value| value.is_object());
        return Ok(named.map_or_else(|| "{}".to_owned(), |value| value.as_str().to_owned()));
    }
    match subject.values.as_slice() {
        [] => subject.event.text(),
        [one] if one.is_object() => Ok(one.as_str().to_owned()),
        [one] => Ok(format!("{{\"value\":{one}}}")),
        several => Ok(array(&several.iter().map(JsonText::as_str).collect::<Vec<_>>())),
    }
}

fn array<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    format!("[{}]", items.join(","))
}

/// Says that JSON is sent, and wanted, unless the subscription says otherwise.
fn complete(mut call: Call) -> Call {
    if !call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        call.headers.push(("Content-Type".into(), "application/json".into()));
        if !call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            call.headers.push(("Accept".into(), "application/json".into()));
        }
    }
    call
}

fn set_all(pairs: &mut Vec<(String, String)>, news: Vec<(String, String)>, same: impl Fn(&str, &str) -> bool) {
    for (name, value) in news {
        pairs.retain(|(other, _)| !same(other, &name));
        pairs.push((name, value));
    }
}

/// The members of the first value.
struct First(BTreeMap<String, JsonText>);

impl First {
    fn of(values: &[JsonText]) -> Result<Self, serde_json::Error> {
        Ok(Self(match values.first() {
            None => BTreeMap::new(),
            Some(value) if value.is_object() => value.read()?,
            Some(value) => [("value".to_owned(), value.clone())].into(),
        }))
    }

    fn named(&self, name: &str) -> Option<&JsonText> {
        if name.is_empty() { None } else { self.0.get(name) }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.named(name)?.read::<String>().ok()
    }

    fn scalar(&self, name: &str) -> Option<String> {
        self.named(name).map(scalar)
    }

    /// The members of an object by name, as texts.
    fn texts(&self, name: &str) -> Vec<(String, String)> {
        let object: Option<BTreeMap<String, JsonText>> = self.named(name).and_then(|value| value.read().ok());
        object.unwrap_or_default().into_iter().map(|(name, value)| (name, scalar(&value))).collect()
    }
}

/// A scalar as text; nothing for what is none.
fn scalar(value: &JsonText) -> String {
    match value.as_str().as_bytes().first() {
        Some(b'"') => value.read().unwrap_or_default(),
        Some(b'{' | b'[' | b'n') | None => String::new(),
        Some(_) => value.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use photinus_model::{
        Time, Uuid,
        event::{Event, Type},
        subscription,
    };

    use super::*;
    use crate::events::Enriched;

    fn hook(options: &str) -> Webhook {
        Webhook::read(&serde_json::from_str(options).unwrap()).unwrap()
    }

    fn subject(values: &[&str]) -> Subject {
        let event = Event {
            id: Uuid::from_u128(1),
            sequence: 7,
            kind: Type::MessageConfirmed,
            namespace: "ns".into(),
            reference: None,
            correlator: None,
            tx: None,
            topic: String::new(),
            created: Time::from_unix_nanos(1),
        };
        let subscription = subscription::Ref { id: Uuid::from_u128(2), namespace: "ns".into(), name: "app".into() };
        Subject {
            event: Delivered::new(Enriched::bare(event), subscription),
            values: values.iter().map(|value| JsonText::parse(value).unwrap()).collect(),
        }
    }

    fn sent(options: &str, values: &[&str]) -> String {
        let call = single(&hook(options), &subject(values)).unwrap().call;
        String::from_utf8(call.body.unwrap_or_default().to_vec()).unwrap()
    }

    #[test]
    fn data_takes_the_place_of_the_event() {
        let url = r#"{"url":"u"}"#;
        assert!(sent(url, &[]).starts_with(r#"{"id":"00000000-0000-0000-0000-000000000001","sequence":7,"#));
        assert!(sent(url, &[]).ends_with(r#""name":"app"}}"#));
        assert_eq!(sent(url, &[r#"{"a":1}"#]), r#"{"a":1}"#);
        assert_eq!(sent(url, &["5"]), r#"{"value":5}"#);
        assert_eq!(sent(url, &[r#"{"a":1}"#, "5"]), r#"[{"a":1},5]"#);
    }

    #[test]
    fn a_body_is_sent_with_three_methods_only() {
        for (method, has) in [("POST", true), ("PUT", true), ("PATCH", true), ("GET", false), ("post", false)] {
            let options = format!(r#"{{"url":"u","method":"{method}"}}"#);
            assert_eq!(!sent(&options, &["1"]).is_empty(), has, "{method}");
        }
    }

    #[test]
    fn parts_of_the_call_come_from_the_first_value() {
        let options = r#"{"url":"u","query":{"a":"0","z":"9"},"headers":{"X-A":"0"},
            "input":{"query":"q","headers":"h","body":"b","path":"p","replytx":"r"}}"#;
        let value = r#"{"q":{"a":1.5,"t":true,"o":{}},"h":{"x-a":"1"},"b":{"c":2},"p":"/x y/z","r":"TRUE"}"#;
        let prepared = single(&hook(options), &subject(&[value, "2"])).unwrap();
        let call = prepared.call;
        let query: Vec<(&str, &str)> = call.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(query, [("z", "9"), ("a", "1.5"), ("o", ""), ("t", "true")]);
        assert_eq!(call.headers[0], ("x-a".into(), "1".into()));
        assert_eq!(call.path, ["x y", "z"]);
        assert_eq!(call.body.unwrap(), r#"{"c":2}"#);
        assert_eq!(prepared.reply_tx, Some(transaction::Type::BatchPin));
        let missing = single(&hook(options), &subject(&[])).unwrap();
        assert_eq!((missing.call.body.unwrap().as_ref(), missing.reply_tx), (&b"{}"[..], None));
    }

    #[test]
    fn json_is_said_unless_something_else_is() {
        let headers = |options: &str| single(&hook(options), &subject(&[])).unwrap().call.headers;
        assert_eq!(headers(r#"{"url":"u"}"#).len(), 2);
        assert_eq!(headers(r#"{"url":"u","headers":{"content-type":"text/plain"}}"#).len(), 1);
    }

    #[test]
    fn a_batch_is_an_array_of_what_each_would_send() {
        let hook = hook(r#"{"url":"u","batch":true,"withData":false,"input":{"query":"q"}}"#);
        let call = batch(&hook, &[subject(&[]), subject(&[])]).unwrap().call;
        let bodies: Vec<serde_json::Value> = serde_json::from_slice(&call.body.unwrap()).unwrap();
        assert_eq!((bodies.len(), &bodies[1]["sequence"]), (2, &7.into()));
    }
}
