//! What other members' storages are answered: contents that the Kubo node has.

use async_trait::async_trait;
use bytes::Bytes;
use photinus_ports::{
    content::{self, Answer, Reference, Request},
    peers::{Parcel, PeerId, PeerService},
    stream,
};

use crate::{
    content::checked,
    kubo::{Found, Kubo, Where},
    reference::Path,
};

/// This node's side of the protocol.
pub(crate) struct Answers(pub(crate) Kubo);

#[async_trait]
impl PeerService for Answers {
    async fn call(&self, _from: &PeerId, request: Parcel) -> Result<Parcel, String> {
        match content::read(&request.head)? {
            Request::Pull { reference } => match self.find(&reference).await? {
                Some((size, content)) => {
                    let head = content::write(&Answer::Found { size })?;
                    Ok(Parcel { head, body: checked(content, reference, size) })
                }
                None => answer(&Answer::Absent),
            },
            Request::Have { reference } => {
                let found = self.find(&reference).await?;
                answer(&found.map_or(Answer::Absent, |(size, _)| Answer::Found { size }))
            }
            Request::Push { .. } | Request::Announce { .. } => {
                Err("this member keeps contents in IPFS, and fetches what it needs".to_owned())
            }
        }
    }
}

impl Answers {
    /// A content, if the Kubo node has it itself: a question of a peer makes it search nowhere else.
    async fn find(&self, reference: &Reference) -> Result<Option<(u64, stream::ByteStream)>, String> {
        let found = self.0.open(&Path::Known(reference.clone()), Where::Here).await.map_err(|error| {
            tracing::warn!(%reference, %error, "a peer cannot be given a content");
            "the storage failed".to_owned()
        })?;
        Ok(found.and_then(|Found { size, content }| Some((size?, content))))
    }
}

fn answer(answer: &Answer) -> Result<Parcel, String> {
    Ok(Parcel { head: content::write(answer)?, body: stream::once(Bytes::new()) })
}
