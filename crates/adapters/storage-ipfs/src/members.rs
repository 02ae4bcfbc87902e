//! Contents that other members' nodes have.

use std::time::Duration;

use bytes::Bytes;
use photinus_ports::{
    content::{self, Answer, PROTOCOL, Reference, Request},
    peers::{Parcel, PeerId, Peers},
    stream,
};

use tokio::time::timeout;

use crate::{content::checked, kubo::Kubo};

/// Asks one member after the other for a content, and adds it to the Kubo node. Gives why nobody delivered it.
pub(crate) async fn fetch(
    kubo: &Kubo,
    peers: &dyn Peers,
    reference: &Reference,
    limit: u64,
    wait: Duration,
) -> Result<(), String> {
    let mut seen = "no member can be asked".to_owned();
    for peer in peers.peers() {
        match pull(kubo, peers, &peer, reference, limit, wait).await {
            Ok(()) => return Ok(()),
            Err(reason) => seen = format!("{}: {reason}", peer.0),
        }
    }
    Err(seen)
}

async fn pull(
    kubo: &Kubo,
    peers: &dyn Peers,
    peer: &PeerId,
    reference: &Reference,
    limit: u64,
    wait: Duration,
) -> Result<(), String> {
    let head = content::write(&Request::Pull { reference: reference.clone() })?;
    let request = Parcel { head, body: stream::once(Bytes::new()) };
    let answer = timeout(wait, peers.call(peer, PROTOCOL, request)).await;
    let answer = answer.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.to_string())?;
    match content::read(&answer.head)? {
        Answer::Found { size } if size > limit => Err(format!("its copy has {size} bytes, more than {limit}")),
        Answer::Found { size } => {
            // Not pinned before it is known to be the content: what is not pinned goes with the next garbage collection.
            kubo.add(checked(answer.body, reference.clone(), size), false).await.map_err(|error| error.to_string())?;
            kubo.pin(reference).await.map_err(|error| error.to_string())
        }
        Answer::Absent => Err("it has not got it".to_owned()),
        Answer::Stored | Answer::Noted => Err("it answered something else".to_owned()),
    }
}
