//! Masked events: private messages, ordered per lane.
//!
//! A lane is one author's messages on one topic of one group. Its n-th message has a value that only those can compute
//! who know all four, so a masked event says nothing until a payload tells of the group. From then on the value of every
//! member's next nonce is looked up among the values that were pinned: whoever pinned it *claims* that slot.
//!
//! Lanes do not wait for one another, except where a message stands in several, or where a network has chosen one order across
//! authors.

mod claims;
mod deliver;
mod groups;
mod head;
mod order;
mod twice;

pub(crate) use claims::{Standing, standing};
pub(crate) use deliver::{arrive, deliver_next, forget, give_up, is_usable, meet, pinned, withdraw};
pub(crate) use groups::{learn, told};
pub(crate) use head::{look, look_at};
pub(crate) use order::moved;

use photinus_model::Hash;

use crate::facts::content::{Content, Message};
use crate::reason::Lane;
use crate::text::Did;

/// The number by which rows name a lane.
pub(crate) fn id(group: &Hash, topic: &str, author: &Did) -> Hash {
    Hash::concat(&[topic.as_bytes(), group.as_bytes(), author.as_str().as_bytes()])
}

/// The masked value of a slot.
pub(crate) fn value(lane: &Lane, nonce: u64) -> Hash {
    let Lane { group, topic, author } = lane;
    let nonce = nonce.to_be_bytes();
    Hash::concat(&[topic.as_bytes(), group.as_bytes(), author.as_str().as_bytes(), &nonce])
}

/// The lanes of a private message, one per topic. None if it names no group.
pub(crate) fn of_message<'a>(content: &'a Content, message: &'a Message) -> impl Iterator<Item = Hash> + 'a {
    message.group.iter().flat_map(|group| message.topics.iter().map(|topic| id(group, topic, &content.author)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_other_members() {
        let lane = Lane {
            group: "b346c74a281600b79a17f0c683244e23b48dac83610fb162f7b3d26f443f2026".parse().unwrap(),
            topic: "topic1".to_owned(),
            author: Did::from("did:firefly:org/org_a"),
        };
        assert_eq!(value(&lane, 0).to_string(), "0654a88d0f9d8f80f9503640bad4218ddb8296e84a59460bd572a6935505f0cb");
        assert_eq!(value(&lane, 1).to_string(), "2454f0655e0f2d0d5e969efc23b6e140ded3b25df807c4cb662e04b43acfacd4");
    }
}
