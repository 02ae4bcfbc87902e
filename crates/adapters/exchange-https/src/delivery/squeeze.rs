//! Compression of what is worth it: bodies of some size that become clearly smaller, with Zstandard.
//!
//! A squeezed body says so (`content-encoding: zstd`) and how large it will be (`photinus-size`), so that a reader knows the
//! memory that it costs before it spends it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};

use super::{Refused, route};

/// Smaller bodies go as they are: they fill few packets either way.
const WORTH_TRYING: usize = 4096;
/// Larger ones are squeezed on a thread for such work.
const LONG_WORK: usize = 128 * 1024;
/// The level that costs little.
const LEVEL: i32 = 1;

pub(crate) const ENCODING: &str = "zstd";
pub(crate) const SIZE: &str = "photinus-size";

/// A body as it travels.
#[derive(Debug)]
pub(crate) struct Squeezed {
    pub(crate) bytes: Bytes,
    /// How large it is in truth, when it was squeezed.
    pub(crate) plain: Option<usize>,
}

/// Squeezes a body when that pays: at least an eighth must go.
pub(crate) async fn squeeze(plain: Bytes) -> Squeezed {
    if plain.len() < WORTH_TRYING {
        return Squeezed { bytes: plain, plain: None };
    }
    let work = {
        let plain = plain.clone();
        move || zstd::bulk::compress(&plain, LEVEL)
    };
    let squeezed = if plain.len() < LONG_WORK { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
    match squeezed {
        Ok(Ok(squeezed)) if squeezed.len() <= plain.len() - plain.len() / 8 => {
            Squeezed { bytes: squeezed.into(), plain: Some(plain.len()) }
        }
        _ => Squeezed { bytes: plain, plain: None },
    }
}

/// The size that a body will have, by its headers, if it is squeezed.
pub(crate) fn plain_size(headers: &HeaderMap) -> Result<Option<u64>, Refused> {
    let wrong = |reason: &str| Refused::new(StatusCode::BAD_REQUEST, reason);
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None => Ok(None),
        Some(encoding) if encoding == ENCODING.as_bytes() => route::number(headers, SIZE)?
            .map(Some)
            .ok_or_else(|| wrong("a squeezed body must say its size in header 'photinus-size'")),
        Some(_) => Err(wrong("content-encoding must be zstd, or absent")),
    }
}

/// Restores a squeezed body, which must have exactly the size that was announced.
pub(crate) async fn restore(squeezed: Bytes, plain: u64) -> Result<Bytes, &'static str> {
    let wrong = "the squeezed body is damaged, or not of the announced size";
    let size = usize::try_from(plain).map_err(|_| wrong)?;
    let work = move || zstd::bulk::decompress(&squeezed, size);
    let restored = if size < LONG_WORK { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
    match restored {
        Ok(Ok(bytes)) if bytes.len() == size => Ok(bytes.into()),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_shrinks_is_squeezed_and_restored() {
        for size in [WORTH_TRYING, LONG_WORK + 1] {
            let text = Bytes::from("{\"value\":1}".repeat(size / 11 + 1));
            let squeezed = squeeze(text.clone()).await;
            assert_eq!(squeezed.plain, Some(text.len()));
            assert!(squeezed.bytes.len() < text.len() / 8);
            assert_eq!(restore(squeezed.bytes, text.len() as u64).await.unwrap(), text);
        }
    }

    #[tokio::test]
    async fn what_does_not_shrink_goes_as_it_is() {
        let noise: Vec<u8> = (0..10_000).map(|_| rand::random()).collect();
        for plain in [Bytes::from_static(b"small"), Bytes::from(noise), Bytes::new()] {
            let squeezed = squeeze(plain.clone()).await;
            assert_eq!((squeezed.plain, squeezed.bytes), (None, plain));
        }
    }

    #[tokio::test]
    async fn a_bomb_and_a_lie_are_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 10 << 20], LEVEL).unwrap();
        for announced in [0, 1000, (10 << 20) - 1, (10 << 20) + 1] {
            assert!(restore(bomb.clone().into(), announced).await.is_err(), "{announced}");
        }
        assert!(restore(Bytes::from_static(b"no zstd"), 100).await.is_err());
    }
}
