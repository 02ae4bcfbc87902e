//! The promises of [`SharedStorage`].

use std::{collections::BTreeSet, io};

use futures::{StreamExt, stream as futures_stream};
use photinus_ports::{
    health::Health,
    storage::{Error, SharedStorage},
    stream::{self, ByteStream},
};

use super::{chunks, pattern, within};

const SIZES: [usize; 6] = [0, 1, 262_143, 262_144, 262_145, 1_000_000];

/// Some bytes, and then an error.
fn broken(content: &[u8]) -> ByteStream {
    Box::pin(chunks(content).chain(futures_stream::iter([Err(io::Error::other("broken"))])))
}

/// Checks everything on a storage whose other members, if any, have none of the contents.
///
/// # Panics
/// When a promise is not kept.
pub async fn check(storage: &dyn SharedStorage) {
    let mut references = BTreeSet::new();
    for size in SIZES {
        let content = pattern(size);
        let whole = within("an upload", storage.upload(content.clone().into())).await.expect("it is published");
        let flowing = within("an upload", storage.upload_stream(chunks(&content))).await.expect("it is published");
        assert_eq!(whole, flowing, "{size}: one content has one reference");
        assert_eq!(whole, photinus_model::cid::of(&content), "{size}: the one that IPFS gives");
        assert!(references.insert(whole.clone()), "{size}: other content has another");
        let read = within("a download", storage.download(&whole, size as u64)).await.expect("it is there");
        assert_eq!(stream::collect(read, size).await.expect("it is read"), content, "{size}");
        if size > 0 {
            let limited = within("a download", storage.download(&whole, size as u64 - 1)).await;
            assert!(matches!(limited, Err(Error::TooLarge(limit)) if limit == size as u64 - 1), "{size}");
        }
    }
    assert!(references.contains("QmVUbzigHKQR2y8wSt2KwZp92AC9Utfms5nEUHwttK4Yq9"), "one million bytes");
    assert!(within("a broken upload", storage.upload_stream(broken(&pattern(500_000)))).await.is_err());
    for wrong in ["", "nonsense", "../../etc/passwd", "Qm/../../etc/passwd"] {
        let refused = within("a download", storage.download(wrong, 100)).await;
        assert!(matches!(refused, Err(Error::InvalidReference(_))), "{wrong}");
    }
    let nobody = photinus_model::cid::of(b"what nobody ever published");
    let absent = within("a download", storage.download(&nobody, 100)).await;
    assert!(matches!(absent, Err(Error::Unavailable(_))), "{:?}", absent.err());
    assert_eq!(storage.health(), Health::Up);
}
