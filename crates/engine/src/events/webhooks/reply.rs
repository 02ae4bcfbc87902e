//! The message that answers a message with what a webhook said. Pure.

use base64::{Engine, prelude::BASE64_STANDARD};
use photinus_model::{
    JsonText, Uuid, json,
    message::{HeaderInput, InlineData, Input, Message, Type},
    transaction,
};
use photinus_ports::webhooks::{Answer, Error};
use serde::Serialize;

use super::options::Webhook;

/// What a reply says of the answer.
#[derive(Serialize)]
struct Told {
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    body: JsonText,
}

/// The value of the data of a reply.
pub(super) fn value(hook: &Webhook, answer: &Result<Answer, Error>) -> Result<JsonText, serde_json::Error> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return failed(&error.to_string()),
    };
    let mut headers = std::collections::BTreeMap::from([("Content-Type".to_owned(), String::new())]);
    for (name, value) in answer.headers.iter().rev() {
        headers.insert(canonical(name), value.clone());
    }
    if hook.json {
        headers.insert("Content-Type".into(), "application/json".into());
    }
    let body = if headers["Content-Type"].starts_with("application/json") {
        match std::str::from_utf8(&answer.body).ok().and_then(|text| JsonText::parse(text).ok()) {
            Some(body) => body,
            None => return failed("FF10257: the answer of the webhook is not JSON"),
        }
    } else {
        JsonText::write(&BASE64_STANDARD.encode(&answer.body))?
    };
    written(&Told { status: answer.status, headers, body })
}

fn failed(error: &str) -> Result<JsonText, serde_json::Error> {
    written(&Told {
        status: 502,
        headers: [("Content-Type".to_owned(), "application/json".to_owned())].into(),
        body: JsonText::write(&serde_json::json!({ "error": error }))?,
    })
}

fn written(told: &Told) -> Result<JsonText, serde_json::Error> {
    let text = json::to_text(told)?;
    JsonText::parse(&text).map_err(serde::ser::Error::custom)
}

/// The name of a header as Go writes it: each word begins with a capital.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let case = |c: char| {
        let c = if upper { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        upper = c == '-';
        c
    };
    name.chars().map(case).collect()
}

/// The reply to a message. It may be sent again under its key without being sent twice.
pub(super) fn message(
    hook: &Webhook,
    original: &Message,
    event: Uuid,
    subscription: Uuid,
    reply_tx: Option<&transaction::Type>,
    value: JsonText,
) -> Input {
    let header = &original.header;
    let wanted = reply_tx.unwrap_or(&hook.reply_tx);
    Input {
        header: HeaderInput {
            cid: Some(header.id),
            group: header.group,
            // What is attached to a transfer is answered by a plain message.
            kind: Some(if header.group.is_some() { Type::Private } else { Type::Broadcast }),
            tx_type: tx_type(header.group.is_some(), wanted),
            topics: header.topics.clone(),
            tag: hook.reply_tag.clone(),
            ..HeaderInput::default()
        },
        data: vec![InlineData { value: Some(value), ..InlineData::default() }],
        idempotency_key: Some(format!("ff_webhook_reply:{subscription}:{event}")),
        ..Input::default()
    }
}

fn tx_type(private: bool, wanted: &transaction::Type) -> transaction::Type {
    match wanted {
        transaction::Type::None | transaction::Type::Unpinned if private => transaction::Type::Unpinned,
        _ => transaction::Type::BatchPin,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn told(options: &str, headers: &[(&str, &str)], body: &'static str) -> String {
        let hook = Webhook::read(&serde_json::from_str(options).unwrap()).unwrap();
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Answer { status: 201, reason: String::new(), headers, body: Bytes::from_static(body.as_bytes()) };
        value(&hook, &Ok(answer)).unwrap().to_string()
    }

    fn json(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn answers_are_told_as_clients_know_them() {
        let hook = r#"{"url":"u","reply":true}"#;
        let told_json =
            told(hook, &[("content-type", "application/json; x"), ("x-a-b", "1"), ("x-a-b", "2")], r#"{"a":1}"#);
        assert_eq!(
            json(&told_json),
            json(r#"{"status":201,"headers":{"Content-Type":"application/json; x","X-A-B":"1"},"body":{"a":1}}"#)
        );
        assert_eq!(json(&told(hook, &[], "hi")), json(r#"{"status":201,"headers":{"Content-Type":""},"body":"aGk="}"#));
        let forced = told(r#"{"url":"u","json":true}"#, &[("content-type", "text/plain")], "5");
        assert_eq!(json(&forced), json(r#"{"status":201,"headers":{"Content-Type":"application/json"},"body":5}"#));
        let broken = json(&told(r#"{"url":"u","json":true}"#, &[], "no"));
        assert_eq!(broken["status"], 502);
        assert!(broken["body"]["error"].as_str().unwrap().starts_with("FF10257"));
    }

    #[test]
    fn no_answer_is_told_as_a_bad_gateway() {
        let hook = Webhook::read(&serde_json::from_str(r#"{"url":"u"}"#).unwrap()).unwrap();
        let told = json(value(&hook, &Err(Error::TimedOut)).unwrap().as_str());
        assert_eq!((&told["status"], &told["body"]["error"]), (&502.into(), &"no answer in time".into()));
    }
}
