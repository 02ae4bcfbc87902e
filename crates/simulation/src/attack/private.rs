//! What liars do to private messages: they get in front of pins that wait to be mined, and put words into the mouths of others.

use std::sync::Arc;

use bytes::Bytes;
use photinus_model::{
    Hash,
    message::{Message, Type},
    pin, wire,
};
use photinus_ports::peers::PeerId;
use serde_json::json;

use super::{Attack, STRANGER};
use crate::{
    forge::{self, Speaker},
    world::{NAMESPACE, ledger::Sent},
};

/// A node that nobody has registered.
const NOWHERE: &str = "nobody/nowhere";
/// How far the next slot of a lane is looked for.
const SLOTS: u64 = 1_000;

impl Attack<'_> {
    /// Waits for private batches of several values, and pins the same values in front of each, the other way round.
    pub(super) fn ambush(&mut self) {
        let mut left = self.random.within(2..6);
        self.shared.ledger.watch(Box::new(move |sent| {
            let mut log = sent.logs.iter().find(|log| log.payload_ref.is_empty() && log.contexts.len() > 1)?.clone();
            left = left.checked_sub(1)?;
            log.contexts.reverse();
            log.signer = STRANGER.to_owned();
            Some(Sent { operation: None, key: log.signer.clone(), contract: sent.contract, logs: vec![log] })
        }));
    }

    /// Tells the members of a group something in the name of one of them, by a key and from a node that nobody knows, and
    /// pins it in the slot that comes next.
    pub(super) fn mimicry(&mut self) {
        let Some((message, group)) = self.overheard() else { return };
        let from = Speaker { author: message.header.author.clone(), key: STRANGER.to_owned() };
        let topic = self.random.pick(&message.header.topics).clone();
        let Some(slot) = self.next_slot(&topic, group, &from.author) else { return };
        let data = forge::data(&mut self.random, &json!("my own words"), None);
        let id = forge::uuid(&mut self.random);
        let letter = forge::letter(id, &from, Type::Private, "", &[&topic], vec![data]);
        let batch = forge::batch(&mut self.random, &from, &[forge::addressed(letter, group)]);
        let mut log = forge::log(&batch, STRANGER, "");
        log.contexts = vec![slot];
        self.send(log);
        let payload = Bytes::from(wire::wrap(None, &batch));
        for member in 0..self.members {
            let (wires, payload) = (Arc::clone(&self.shared.wires), payload.clone());
            tokio::spawn(async move {
                // Whether it is refused is the receiver's business.
                let to = super::peer(member);
                let _ignored = wires.inject(&PeerId(NOWHERE.to_owned()), &to, payload).await;
            });
        }
    }

    /// A private message that went over the wires, and its group.
    fn overheard(&mut self) -> Option<(Message, Hash)> {
        let mut heard = Vec::new();
        for delivered in self.shared.wires.delivered() {
            let Ok(text) = std::str::from_utf8(&delivered.payload) else { continue };
            let Ok(Some(wrapper)) = wire::parse_wrapper(text, wire::MAX_TEXT) else { continue };
            let Ok(accepted) = wire::accept(wrapper.batch, None, NAMESPACE) else { continue };
            let messages = accepted.batch.payload.messages.into_iter();
            heard.extend(messages.filter_map(|message| message.header.group.map(|group| (message, group))));
        }
        if heard.is_empty() { None } else { Some(self.random.pick(&heard).clone()) }
    }

    /// The value of the next slot of a lane that nobody has pinned.
    fn next_slot(&self, topic: &str, group: Hash, author: &str) -> Option<Hash> {
        let waiting = self.shared.ledger.pool().into_iter().flat_map(|sent| sent.logs);
        let mined = self.shared.ledger.logs_from(1).into_iter().map(|mined| mined.pin);
        let pinned: Vec<Hash> = waiting.chain(mined).flat_map(|log| log.contexts).collect();
        (0..SLOTS).map(|nonce| pin::private_pin(topic, group, author, nonce)).find(|value| !pinned.contains(value))
    }
}
