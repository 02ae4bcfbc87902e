//! Bytes that are checked against their reference as they flow.

use std::io;

use bytes::Bytes;
use futures::{StreamExt, stream};
use photinus_model::cid;
use photinus_ports::{content::Reference, stream::ByteStream};

/// The same bytes, of which the last come only if the reference is that of all, and there are no more than `limit`.
pub(crate) fn checked(content: ByteStream, reference: Reference, limit: u64) -> ByteStream {
    let state = Some((content, cid::Builder::new(), None::<Bytes>, 0_u64));
    Box::pin(stream::unfold(state, move |state| {
        let reference = reference.clone();
        async move {
            let (mut content, mut digest, mut held, mut size) = state?;
            let wrong = |reason: String| Some((Err(io::Error::new(io::ErrorKind::InvalidData, reason)), None));
            loop {
                match content.next().await {
                    Some(Ok(piece)) => {
                        size = size.saturating_add(piece.len() as u64);
                        if size > limit {
                            return wrong(format!("the content of {reference} is larger than {limit} bytes"));
                        }
                        digest.update(&piece);
                        if let Some(before) = held.replace(piece) {
                            return Some((Ok(before), Some((content, digest, held, size))));
                        }
                    }
                    Some(Err(error)) => return Some((Err(error), None)),
                    None if Reference::of(digest) == reference => return held.map(|last| (Ok(last), None)),
                    None => return wrong(format!("the bytes are not those of {reference}")),
                }
            }
        }
    }))
}

/// The same bytes, no more than `limit`.
pub(crate) fn limited(content: ByteStream, limit: u64) -> ByteStream {
    Box::pin(content.scan((0_u64, false), move |(size, over), piece| {
        let next = match piece {
            _ if *over => None,
            Ok(piece) => {
                *size = size.saturating_add(piece.len() as u64);
                *over = *size > limit;
                let large = || io::Error::new(io::ErrorKind::InvalidData, format!("larger than {limit} bytes"));
                Some(if *over { Err(large()) } else { Ok(piece) })
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(next)
    }))
}

#[cfg(test)]
mod tests {
    use photinus_ports::stream::{collect, once};

    use super::*;

    fn pieces(content: &'static [u8]) -> ByteStream {
        Box::pin(stream::iter(content.chunks(3).map(|piece| Ok(Bytes::from_static(piece)))))
    }

    #[tokio::test]
    async fn only_the_bytes_of_the_reference_pass_whole() {
        let reference = Reference::parse(&cid::of(b"some content")).unwrap();
        let whole = collect(checked(pieces(b"some content"), reference.clone(), 12), 100).await;
        assert_eq!(whole.unwrap(), "some content");
        for (content, limit) in [(&b"some conteNt"[..], 100), (b"some content", 11), (b"some", 100), (b"", 100)] {
            assert!(collect(checked(pieces(content), reference.clone(), limit), 100).await.is_err());
        }
        let empty = Reference::parse(&cid::of(b"")).unwrap();
        assert_eq!(collect(checked(once(Bytes::new()), empty, 0), 100).await.unwrap(), "");
    }

    #[tokio::test]
    async fn limits_hold() {
        assert_eq!(collect(limited(pieces(b"12345678"), 8), 100).await.unwrap(), "12345678");
        assert!(collect(limited(pieces(b"12345678"), 7), 100).await.is_err());
    }
}
