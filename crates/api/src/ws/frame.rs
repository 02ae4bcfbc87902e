//! What clients and the server say to each other: text frames of one JSON document each, and the start in a query.

use photinus_engine::events::{Delivered, Delivery};
use photinus_model::{
    Duration, Uuid,
    subscription::{Filter, Options, Ref},
};
use serde::{Deserialize, Serialize};

use super::protocol::Error;
use crate::lenient;

/// Most events that may be asked for ahead in a query.
const MAX_READ_AHEAD: u64 = 65_535;

/// A frame of a client.
#[derive(Debug)]
pub(super) enum Client {
    /// Deliver the events of a subscription.
    Start(Box<Start>),
    /// An event or a batch is done.
    Ack(Ack),
}

/// What to deliver.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Start {
    /// The namespace; on a socket of one namespace it may be left out.
    pub(super) namespace: String,
    /// Name of a durable subscription.
    pub(super) name: String,
    /// Whether events are done when they are sent. `None` leaves it as it is.
    pub(super) autoack: Option<bool>,
    /// Whether the subscription ends with the socket, and is described here.
    pub(super) ephemeral: bool,
    /// Which events, if ephemeral.
    pub(super) filter: Filter,
    /// How, if ephemeral.
    pub(super) options: Options,
}

/// What is done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ack {
    /// The event or the batch; the oldest event when it is left out.
    pub(super) id: Option<Uuid>,
    /// For which subscription.
    pub(super) subscription: Option<Named>,
}

/// A subscription as an acknowledgement names it: by id, or by namespace and name.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) id: Option<Uuid>,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Named {
    pub(super) fn is(&self, subscription: &Ref) -> bool {
        self.id == Some(subscription.id) || (self.name == subscription.name && self.namespace == subscription.namespace)
    }
}

/// An acknowledgement as most clients write it, letter by letter. Anything else is read with patience.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainAck {
    #[serde(rename = "type")]
    kind: PlainType,
    id: Uuid,
    subscription: Option<PlainRef>,
}

#[derive(Deserialize)]
enum PlainType {
    #[serde(rename = "ack")]
    Ack,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainRef {
    id: Option<Uuid>,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
}

fn plain_ack(text: &[u8]) -> Option<Ack> {
    let PlainAck { kind: PlainType::Ack, id, subscription } = serde_json::from_slice(text).ok()?;
    let subscription = subscription.map(|PlainRef { id, namespace, name }| Named { id, namespace, name });
    Some(Ack { id: Some(id), subscription })
}

/// Reads a client's frame.
pub(super) fn read(text: &[u8]) -> Result<Client, Error> {
    if let Some(ack) = plain_ack(text) {
        return Ok(Client::Ack(ack));
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Head {
        #[serde(rename = "type")]
        kind: String,
    }
    let head: Head = match lenient::read(text) {
        Err(lenient::Failure::Null) => Head::default(),
        head => head?,
    };
    match head.kind.to_ascii_lowercase().as_str() {
        "start" => {
            let mut start: Start = lenient::read(text)?;
            forgive(&mut start.options);
            Ok(Client::Start(Box::new(start)))
        }
        "ack" => Ok(Client::Ack(lenient::read(text)?)),
        _ => Err(Error::UnknownAction(head.kind)),
    }
}

/// The start that the query of a socket's URL asks for, if it does.
pub(super) fn in_query(pairs: &[(String, String)]) -> Option<Start> {
    let value = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let flag = |wanted: &str| value(wanted).is_some_and(|value| value != "false");
    let text = |wanted: &str| value(wanted).unwrap_or_default().to_owned();
    let ephemeral = flag("ephemeral");
    if !ephemeral && value("name").is_none() {
        return None;
    }
    let mut filter = Filter {
        events: text("filter.events"),
        topic: text("filter.topic"),
        topics: text("filter.topics"),
        tag: text("filter.tag"),
        group: text("filter.group"),
        author: text("filter.author"),
        ..Filter::default()
    };
    filter.message.tag = text("filter.message.tag");
    filter.message.group = text("filter.message.group");
    filter.message.author = text("filter.message.author");
    filter.transaction.kind = text("filter.transaction.type");
    filter.blockchainevent.name = text("filter.blockchain.name");
    filter.blockchainevent.listener = text("filter.blockchain.listener");
    let ahead = value("readahead").and_then(|value| value.parse().ok()).filter(|ahead| *ahead <= MAX_READ_AHEAD);
    let mut options = Options {
        batch: flag("batch").then_some(true),
        batch_timeout: value("batchtimeout").map(str::to_owned),
        read_ahead: ahead,
        ..Options::default()
    };
    forgive(&mut options);
    let (namespace, name) = (text("namespace"), text("name"));
    Some(Start { namespace, name, autoack: Some(flag("autoack")), ephemeral, filter, options })
}

/// Clients rely on it that a batch's time which is no duration stands for the default here.
fn forgive(options: &mut Options) {
    if options.batch_timeout.as_ref().is_some_and(|timeout| timeout.parse::<Duration>().is_err()) {
        options.batch_timeout = None;
    }
}

/// The frame of a delivery.
pub(super) fn delivery(delivery: &Delivery) -> Result<String, serde_json::Error> {
    let mut text = match (delivery.batch, delivery.events.as_slice()) {
        (None, [event]) => event.text()?,
        (id, events) => {
            let events: Result<Vec<String>, _> = events.iter().map(Delivered::text).collect();
            let subscription = photinus_model::json::to_text(&*delivery.subscription)?;
            let (id, events) = (id.unwrap_or_default(), events?.join(","));
            format!(r#"{{"type":"event_batch","id":"{id}","subscription":{subscription},"events":[{events}]}}"#)
        }
    };
    text.push('\n');
    Ok(text)
}

/// The frame that tells of a mistake.
pub(super) fn error(sentence: &str) -> Result<String, serde_json::Error> {
    line(&serde_json::json!({ "type": "protocol_error", "error": sentence }))
}

fn line<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let mut text = photinus_model::json::to_text(value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Option<Start> {
        in_query(&crate::uri::pairs(text))
    }

    #[test]
    fn a_query_starts_only_with_a_name_or_ephemeral() {
        assert!(query("namespace=ns&autoack").is_none());
        assert!(query("namespace=ns&ephemeral=false").is_none());
        assert!(query("namespace=ns&name=").is_some());
        assert!(query("Ephemeral").is_none(), "names are matched exactly");
        for flag in ["ephemeral", "ephemeral=", "ephemeral=x", "ephemeral=true&ephemeral=false"] {
            assert!(query(flag).unwrap().ephemeral, "{flag}");
        }
    }

    #[test]
    fn a_query_has_filters_and_options() {
        let start = query(
            "ephemeral&filter.events=a|b%2B&filter.message.tag=t+u&filter.blockchain.name=n&readahead=7&batch&batchtimeout=1s",
        )
        .unwrap();
        assert_eq!(start.filter.events, "a|b+");
        assert_eq!(start.filter.message.tag, "t u");
        assert_eq!(start.filter.blockchainevent.name, "n");
        assert_eq!((start.options.read_ahead, start.options.batch), (Some(7), Some(true)));
        assert_eq!(start.options.batch_timeout.as_deref(), Some("1s"));
        assert_eq!(start.autoack, Some(false), "left out it is off, not open");
        let start = query("ephemeral&readahead=65536&batchtimeout=soon&autoack").unwrap();
        assert_eq!((start.options.read_ahead, start.options.batch_timeout, start.autoack), (None, None, Some(true)));
    }

    #[test]
    fn frames_are_read_as_clients_write_them() {
        let Client::Start(start) =
            read(br#"{"TYPE":"START","NameSpace":"ns","name":"a","autoack":null,"x":1}"#).unwrap()
        else {
            panic!("a start")
        };
        assert_eq!((start.namespace.as_str(), start.name.as_str(), start.autoack), ("ns", "a", None));
        let Client::Ack(ack) = read(br#"{"type":"ack","subscription":{"namespace":"n"}}"#).unwrap() else {
            panic!("an ack")
        };
        assert_eq!(ack.id, None);
        assert!(ack.subscription.is_some());
    }

    #[test]
    fn other_frames_are_refused() {
        for (text, code) in [
            ("{oops", "FF10176: "),
            ("", "FF10176: "),
            ("[]", "FF10176: "),
            (r#"{"type":"ack","id":"not-a-uuid"}"#, "FF10176: "),
            (r#"{"type":"start","autoack":"yes"}"#, "FF10176: "),
            ("null", "FF10176: invalid data: FF10177: "),
            ("{}", "FF10176: invalid data: FF10177: "),
            (r#"{"type":"nack"}"#, "FF10176: invalid data: FF10177: "),
        ] {
            let sentence = read(text.as_bytes()).unwrap_err().in_frame();
            assert!(sentence.starts_with(code), "{text}: {sentence}");
        }
    }
}
