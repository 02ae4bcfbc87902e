//! Writes `multipart/form-data` of known length, the destinations first: what comes after a file is not read.

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use photinus_ports::{exchange::Route, stream::ByteStream};

use super::{MESSAGE, RECIPIENT, SENDER};
use crate::{delivery::route, frame::Outgoing};

/// A form, whose body can be made more than once.
pub(super) struct Form {
    boundary: String,
    before: Bytes,
    after: Bytes,
}

impl Form {
    /// With a message.
    pub(super) fn message(route: &Route) -> Self {
        Self::new(route, &format!("name=\"{MESSAGE}\"\r\n"))
    }

    /// With a file of that name.
    pub(super) fn file(route: &Route, name: &str) -> Self {
        Self::new(route, &format!("name=\"blob\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n"))
    }

    fn new(route: &Route, last: &str) -> Self {
        let boundary = format!("photinus{:032x}", rand::random::<u128>());
        let mut before = String::new();
        for (field, node) in [(SENDER, &route.from), (RECIPIENT, &route.to)] {
            if let (_, Some(name)) = route::split(node) {
                before +=
                    &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{name}\r\n");
            }
        }
        before += &format!("--{boundary}\r\nContent-Disposition: form-data; {last}\r\n");
        let after = format!("\r\n--{boundary}--\r\n");
        Self { boundary, before: before.into(), after: after.into() }
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// Length of the body around a content of so many bytes.
    pub(super) fn length(&self, content: u64) -> u64 {
        (self.before.len() + self.after.len()) as u64 + content
    }

    /// The body. `progress` is called whenever the connection takes a chunk.
    pub(super) fn body(&self, content: ByteStream, progress: impl Fn() + Send + 'static) -> Outgoing {
        let edge = |bytes: &Bytes| stream::iter([Ok(bytes.clone())]);
        let chunks = edge(&self.before).chain(content).chain(edge(&self.after));
        StreamBody::new(Box::pin(chunks.map(move |chunk| {
            progress();
            chunk.map(Frame::data)
        })))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use photinus_ports::{peers::PeerId, stream};

    use super::*;

    #[tokio::test]
    async fn the_length_is_that_of_the_body() {
        let route = Route { from: PeerId("org_a/node_a".to_owned()), to: PeerId("org_b/node_b".to_owned()) };
        for form in [Form::message(&route), Form::file(&route, "x")] {
            let body = form.body(stream::once(Bytes::from_static(b"content")), || ());
            let text = BodyExt::collect(body).await.unwrap().to_bytes();
            assert_eq!(text.len() as u64, form.length(7));
            let text = String::from_utf8(text.into()).unwrap();
            let order = ["node_a", "node_b", "\r\n\r\ncontent\r\n--photinus"].map(|part| text.find(part).unwrap());
            assert!(order.is_sorted(), "{text}");
        }
    }
}
