//! What ports promise, checked on any implementation: an adapter is finished when it passes.

pub mod exchange;
pub mod inbox;
pub mod storage;

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures::stream;
use photinus_ports::stream::ByteStream;

/// How long a step may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for something, and fails when it does not come.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

/// Waits until something holds, and fails when it does not.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Content byte `i` is `i mod 251`.
#[must_use]
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 251) as u8).collect()
}

/// The same in chunks of an awkward size.
#[must_use]
pub fn chunks(content: &[u8]) -> ByteStream {
    let chunks: Vec<_> = content.chunks(10_007).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Box::pin(stream::iter(chunks))
}
