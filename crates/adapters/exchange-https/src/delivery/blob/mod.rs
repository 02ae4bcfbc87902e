//! Blobs between Photinus nodes: in chunks, continued from where they broke off, with one pass over the bytes at each end.
//!
//! ```text
//! POST /photinus/delivery/v1/blob-offset   answer: from which byte on the receiver lacks the blob
//! PUT  /photinus/delivery/v1/blob          body: the chunks from `photinus-offset` on    answer: the hash, once it is stored
//! ```
//!
//! A chunk is [`CHUNK`] bytes, the last one fewer, followed by the SHA-256 of the blob up to its end. So each chunk is proved as
//! it arrives, the last proof is the blob's hash, and an interrupted blob goes on behind its last proved chunk: `partial` keeps
//! it on disk with its proofs. An offset that is not the receiver's is answered with 409; the sender then asks again.

mod arriving;
mod partial;
mod partials;
mod sending;

use http::{HeaderMap, StatusCode, request};
use photinus_model::{Hash, Uuid, name};
use photinus_ports::exchange::{BlobParcel, Route};
use serde::{Deserialize, Serialize};

use super::{Refused, route};

pub(crate) use partials::Partials;
pub(crate) use sending::send;

pub(super) const BLOB: &str = "blob";
pub(super) const BLOB_OFFSET: &str = "blob-offset";

/// Bytes between two proofs.
const CHUNK: u64 = 4 << 20;

const PATH: &str = "photinus-path";
const HASH: &str = "photinus-hash";
const LENGTH: &str = "photinus-length";
const OFFSET: &str = "photinus-offset";

/// Which blob goes from whom to whom. Two deliveries with the same ticket are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    from: String,
    to: String,
    path: String,
    hash: Hash,
    size: u64,
}

impl Ticket {
    pub(crate) fn new(route: &Route, path: &str, hash: Hash, size: u64) -> Self {
        Self { from: route.from.0.clone(), to: route.to.0.clone(), path: path.to_owned(), hash, size }
    }

    fn of(parcel: &BlobParcel) -> Self {
        Self::new(&parcel.route, &parcel.path, parcel.hash, parcel.size)
    }

    /// Reads the ticket of a request.
    fn read(route: &Route, headers: &HeaderMap) -> Result<Self, Refused> {
        let wrong =
            |header: &str| Refused::new(StatusCode::BAD_REQUEST, format!("header '{header}' is missing or wrong"));
        let text =
            |header: &str| headers.get(header).and_then(|value| value.to_str().ok()).ok_or_else(|| wrong(header));
        let path = text(PATH)?;
        place(path).ok_or_else(|| wrong(PATH))?;
        let hash = Hash::parse_strict(text(HASH)?).map_err(|_| wrong(HASH))?;
        let size = route::number(headers, LENGTH)?.ok_or_else(|| wrong(LENGTH))?;
        Ok(Self::new(route, path, hash, size))
    }

    /// Writes the ticket, besides its route, into a request.
    fn write(&self, request: request::Builder) -> request::Builder {
        request.header(PATH, &self.path).header(HASH, self.hash.to_string()).header(LENGTH, self.size)
    }

    /// The name of this delivery on disk.
    fn key(&self) -> Hash {
        let Self { from, to, path, hash, size } = self;
        Hash::of(format!("{from}\n{to}\n{path}\n{hash}\n{size}"))
    }

    /// The id under which the blob store gets it: the same each time that it is delivered.
    pub(crate) fn id(&self) -> Uuid {
        let Hash(bytes) = self.key();
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        // Marked as one of a making of its own (version 8).
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        Uuid::from_bytes(id)
    }
}

/// Network namespace and data id of a path. `None` when it is not of that form.
pub(crate) fn place(path: &str) -> Option<(&str, Uuid)> {
    let (namespace, id) = path.split_once('/')?;
    let uuid = Uuid::try_parse(id).ok()?;
    (name::is_valid(namespace) && uuid.to_string() == id.to_ascii_lowercase()).then_some((namespace, uuid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_a_namespace_and_an_id() {
        let id = "0d5a6b5e-1111-4000-8000-000000000001";
        assert!(place(&format!("ns1/{id}")).is_some());
        for wrong in [
            id.to_owned(),
            format!("/ns1/{id}"),
            format!("../{id}"),
            format!("ns1/../{id}"),
            format!("ns1/{id}/.."),
            format!("ns1/{id}.metadata.json"),
            format!("ns1%2f{id}"),
            format!("ns1/{}", id.replace('-', "")),
            "ns1/..".to_owned(),
            String::new(),
        ] {
            assert!(place(&wrong).is_none(), "{wrong}");
        }
    }
}
