//! Whether all members saw the same: the same events in the same order, the same messages, data and pins, the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{columns::Columns, watch::Seen};
use crate::{error::Error, network::client::Client};

/// What was found to be the same everywhere.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agreement {
    pub(crate) members: usize,
    pub(crate) events: usize,
    pub(crate) messages: usize,
    pub(crate) pins: usize,
    pub(crate) blobs: usize,
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} members saw the same {} message events, every topic in the same order, with the same hashes of {} messages, {} \
             pins and {} files",
            self.members, self.events, self.messages, self.pins, self.blobs
        )
    }
}

/// Compares everything that the members saw.
pub(crate) async fn verify(clients: &[Client], columns: &Columns) -> Result<Agreement, Error> {
    let named = || clients.iter().map(Client::name).enumerate();
    let play: Vec<_> = named().map(|(index, name)| (name, columns.shown_of(index).to_vec())).collect();
    same_events(&play)?;
    let topics: BTreeSet<&str> =
        named().flat_map(|(index, _)| columns.all_of(index)).map(|seen| seen.topic.as_str()).collect();
    for topic in topics {
        let of_topic = |index| columns.all_of(index).iter().filter(|seen| seen.topic == topic).cloned().collect();
        let events: Vec<(&str, Vec<Seen>)> = named().map(|(index, name)| (name, of_topic(index))).collect();
        same_events(&events)?;
    }
    let Some((first, others)) = clients.split_first() else {
        return Err(Error::Disagreement("there are no members".into()));
    };
    let pins = pins(first).await?;
    for other in others {
        same("pins", (first, &pins), (other, &self::pins(other).await?))?;
    }
    let messages = messages(first, columns.all_of(0)).await?;
    let mut blobs = 0;
    for other in others {
        same("messages", (first, &messages), (other, &self::messages(other, columns.all_of(0)).await?))?;
    }
    for (data, hash) in blobs_of(first, &messages).await? {
        for client in clients {
            let bytes = client.bytes(&format!("data/{data}/blob")).await?;
            let found = hex::encode(Sha256::digest(&bytes));
            if found != hash {
                let what = format!("{} has other bytes of file {data}: {found} in place of {hash}", client.name());
                return Err(Error::Disagreement(what));
            }
        }
        blobs += 1;
    }
    Ok(Agreement {
        members: clients.len(),
        events: columns.all_of(0).len(),
        messages: messages.len(),
        pins: pins.len(),
        blobs,
    })
}

/// The same events in the same order.
fn same_events(members: &[(&str, Vec<Seen>)]) -> Result<(), Error> {
    let Some(((first, expected), others)) = members.split_first() else { return Ok(()) };
    for (name, events) in others {
        let at = expected.iter().zip(events).position(|(a, b)| a != b);
        if let Some(at) = at.or((expected.len() != events.len()).then_some(expected.len().min(events.len()))) {
            let describe = |events: &[Seen]| {
                events.get(at).map_or_else(|| "nothing".to_owned(), |seen| format!("{} of {}", seen.kind, seen.message))
            };
            return Err(Error::Disagreement(format!(
                "event {} of {first} is {}, of {name} it is {}",
                at + 1,
                describe(expected),
                describe(events)
            )));
        }
    }
    Ok(())
}

fn same<T: PartialEq>(what: &str, one: (&Client, &T), other: (&Client, &T)) -> Result<(), Error> {
    if one.1 == other.1 {
        return Ok(());
    }
    Err(Error::Disagreement(format!("{} and {} have different {what}", one.0.name(), other.0.name())))
}

/// Hashes that were pinned, in the order of the ledger.
async fn pins(client: &Client) -> Result<Vec<String>, Error> {
    let list = client.get("pins?limit=1000&sort=sequence").await?;
    let pin =
        |pin: &Value| format!("{} {}", pin["hash"].as_str().unwrap_or(""), pin["batchHash"].as_str().unwrap_or(""));
    Ok(list.as_array().into_iter().flatten().map(pin).collect())
}

/// Hash, state and data of every message that was seen.
async fn messages(client: &Client, seen: &[Seen]) -> Result<BTreeMap<String, (Value, Value, Value)>, Error> {
    let mut messages = BTreeMap::new();
    for event in seen {
        if !messages.contains_key(&event.message) {
            let message = client.get(&format!("messages/{}", event.message)).await?;
            let parts = (message["hash"].clone(), message["state"].clone(), message["data"].clone());
            messages.insert(event.message.clone(), parts);
        }
    }
    Ok(messages)
}

/// Data with a file, and the file's hash.
async fn blobs_of(
    client: &Client,
    messages: &BTreeMap<String, (Value, Value, Value)>,
) -> Result<Vec<(String, String)>, Error> {
    let mut blobs = Vec::new();
    for (_, _, data) in messages.values() {
        for entry in data.as_array().into_iter().flatten() {
            let Some(id) = entry["id"].as_str() else { continue };
            let data = client.get(&format!("data/{id}")).await?;
            if let Some(hash) = data["blob"]["hash"].as_str() {
                blobs.push((id.to_owned(), hash.to_owned()));
            }
        }
    }
    Ok(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(message: &str) -> Seen {
        Seen {
            kind: "message_confirmed".into(),
            topic: "t".into(),
            message: message.into(),
            hash: "h".into(),
            author: "a".into(),
            tag: "x".into(),
            private: false,
        }
    }

    #[test]
    fn another_order_is_noticed() {
        let (one, other) = (vec![seen("a"), seen("b")], vec![seen("b"), seen("a")]);
        let check = |members: [&Vec<Seen>; 3]| {
            let [x, y, z] = members.map(Clone::clone);
            same_events(&[("x", x), ("y", y), ("z", z)]).map_err(|error| error.to_string())
        };
        assert_eq!(check([&one, &one, &one]), Ok(()));
        let error = check([&one, &one, &other]).unwrap_err();
        assert!(error.contains("event 1 of x is message_confirmed of a, of z it is message_confirmed of b"), "{error}");
        let error = check([&one, &one[..1].to_vec(), &one]).unwrap_err();
        assert!(error.contains("event 2 of x") && error.ends_with("it is nothing"), "{error}");
        let mut changed = one.clone();
        changed[1].hash = "other".into();
        assert!(check([&one, &changed, &one]).is_err());
    }
}
