//! The wire of the FireFly data exchange, on the same port: toward peers that run it, and from them.
//!
//! ```text
//! HEAD /api/v1/ping                      204
//! POST /api/v1/messages                  form: senderDestination, recipientDestination, message
//! PUT  /api/v1/blobs/<namespace>/<id>    form: senderDestination, recipientDestination, file
//! ```
//!
//! Such a peer really tries once: what it repeats has no body. So a message is answered only after it is stored, refusals that
//! may pass are waited for as long as the peer has patience, and those that do not are told with 404, the one status that it
//! takes for final at once. Its answer proves that it has the bytes in memory, no more.
//!
//! [`form`] reads and [`write`] writes the forms, [`pool`] keeps connections, [`sending`] and [`taking`] do the deliveries.

pub(crate) mod form;
mod pool;
mod sending;
mod taking;
mod write;

pub(crate) use pool::Pool;
pub(crate) use sending::{blob, message};

/// Below this are the data exchange's paths.
pub(crate) const API: &str = "/api/v1/";
const MESSAGES: &str = "/api/v1/messages";
const BLOBS: &str = "/api/v1/blobs/";

/// The largest message that such a peer takes. It cuts longer ones without saying so.
const MAX_MESSAGE: usize = 1 << 20;

const SENDER: &str = "senderDestination";
const RECIPIENT: &str = "recipientDestination";
const MESSAGE: &str = "message";
