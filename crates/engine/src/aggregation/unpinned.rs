//! Messages without a pin: confirmed once, in the order in which they arrive.
//!
//! Their transaction type is part of what their hash covers, so none of them is ever a message that waits for its pin.

use photinus_model::{batch, event, group::Group, message::State};
use photinus_sequencing::{
    Fact,
    facts::{MessageKey, content},
    text::Did,
};
use photinus_store::{Change, change};

use super::{
    content as contents,
    driver::{Error, Turn},
    inbox::Content,
};

impl Turn<'_> {
    /// Takes the messages of a batch that are new.
    pub(super) async fn unpinned(&mut self, content: &Content, told: Option<&Group>) -> Result<(), Error> {
        if let Some(told) = told {
            self.group.push(Change::UpsertGroup(told.clone()));
            if let Some(hash) = told.hash {
                let members = told.members.iter().map(|member| Did::from(member.identity.as_str())).collect();
                self.fact(&Fact::Group(content::Group { hash, members })).await?;
            }
        }
        let batch = &content.batch;
        let ids: Vec<_> = batch.payload.messages.iter().map(|message| message.header.id).collect();
        let known = self.core.store.read(self.core.name()).messages_by_ids(&ids).await?;
        let now = self.group.now;
        contents::store(&mut self.group, content, now);
        for message in &batch.payload.messages {
            let Some(hash) = message.hash else { continue };
            let key = MessageKey { id: message.header.id, hash };
            let decided = known.iter().any(|known| {
                known.header.id == key.id && known.hash == Some(hash) && known.state.is_some_and(State::is_final)
            });
            if decided || !self.group.unpinned.insert(key) {
                continue;
            }
            self.group.push(Change::UpdateMessage(change::Message {
                id: key.id,
                hash: Some(hash),
                state: Some(State::Confirmed),
                confirmed: Some(now),
                ..change::Message::default()
            }));
            self.announce(message, batch);
        }
        Ok(())
    }

    fn announce(&mut self, message: &photinus_model::message::Message, batch: &batch::Batch) {
        for topic in &message.header.topics {
            let event = self.group.event(
                event::Type::MessageConfirmed,
                message.header.id,
                message.header.cid,
                batch.payload.tx.id,
                topic.clone(),
            );
            self.group.push(Change::InsertEvent(event));
        }
    }
}
