//! Reads `multipart/form-data` as it flows: a part's content is never held, its head is bounded.

use std::{io, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use memchr::memmem;

/// The largest head of a part, and the most text before the first part.
const MAX_HEAD: usize = 8 * 1024;
/// The most parts of a form.
const MAX_PARTS: usize = 32;
/// The longest boundary.
const MAX_BOUNDARY: usize = 200;

/// Where a form comes from.
pub(crate) type Source = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Why a form cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the form is damaged: {0}")]
    Damaged(&'static str),
    #[error("the field is larger than {0} bytes")]
    TooLarge(u64),
    #[error(transparent)]
    Broken(io::Error),
}

/// The head of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) is_file: bool,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Preamble,
    Boundary,
    Content,
    End,
}

/// A form that is being read.
pub(crate) struct Form {
    source: Source,
    held: BytesMut,
    /// Line end, two dashes, boundary.
    delimiter: memmem::Finder<'static>,
    at: At,
    parts: usize,
}

/// The boundary of a content type, if that is a form's.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (1..=MAX_BOUNDARY).contains(&boundary.len()).then_some(boundary)
}

impl Form {
    pub(crate) fn new(source: Source, boundary: &str) -> Self {
        let delimiter = memmem::Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        // The first boundary may stand at the very beginning, without a line end before it.
        // A form that broke off may be asked once more, for what is left of it.
        let source: Source = Box::pin(source.fuse());
        Self { source, held: BytesMut::from(&b"\r\n"[..]), delimiter, at: At::Preamble, parts: 0 }
    }

    /// The next part, after what may be left of the one before.
    pub(crate) async fn part(&mut self) -> Result<Option<Part>, Error> {
        if self.at == At::Preamble {
            let found = self.until(|held, delimiter| delimiter.find(held)).await?;
            let _ = self.held.split_to(found + self.delimiter.needle().len());
            self.at = At::Boundary;
        }
        while self.chunk().await?.is_some() {}
        if self.at == At::End {
            return Ok(None);
        }
        self.until(|held, _| (held.len() >= 2).then_some(2)).await?;
        if self.held.starts_with(b"--") {
            self.at = At::End;
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Error::Damaged("it has too many parts"));
        }
        let end = self.until(|held, _| memmem::find(held, b"\r\n\r\n")).await?;
        let head = self.held.split_to(end);
        let _ = self.held.split_to(4);
        self.at = At::Content;
        part_of(&head).map(Some)
    }

    /// More of the current part's content.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let needle = self.delimiter.needle().len();
        while self.at == At::Content {
            if let Some(found) = self.delimiter.find(&self.held) {
                let content = self.held.split_to(found).freeze();
                let _ = self.held.split_to(needle);
                self.at = At::Boundary;
                return Ok((!content.is_empty()).then_some(content));
            }
            // The last bytes may be the beginning of a boundary.
            if self.held.len() >= needle {
                let safe = self.held.len() - needle + 1;
                return Ok(Some(self.held.split_to(safe).freeze()));
            }
            self.more().await?;
        }
        Ok(None)
    }

    /// The whole content of the current part.
    pub(crate) async fn whole(&mut self, limit: u64) -> Result<Bytes, Error> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Err(Error::TooLarge(limit));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Reads on until something is found, which must be soon.
    async fn until(&mut self, find: impl Fn(&[u8], &memmem::Finder<'_>) -> Option<usize>) -> Result<usize, Error> {
        loop {
            if let Some(found) = find(&self.held, &self.delimiter) {
                return Ok(found);
            }
            if self.held.len() > MAX_HEAD {
                return Err(Error::Damaged("a boundary, or the end of a part's head, is missing"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<(), Error> {
        match self.source.next().await {
            Some(Ok(bytes)) => self.held.extend_from_slice(&bytes),
            Some(Err(error)) => return Err(Error::Broken(error)),
            None => return Err(Error::Damaged("it ends too early")),
        }
        Ok(())
    }
}

/// Reads the head of a part, which begins behind the boundary.
fn part_of(head: &[u8]) -> Result<Part, Error> {
    let head = std::str::from_utf8(head).map_err(|_| Error::Damaged("the head of a part is no text"))?;
    let mut lines = head.split("\r\n");
    if lines.next().is_some_and(|padding| !padding.trim().is_empty()) {
        return Err(Error::Damaged("something stands behind a boundary"));
    }
    let mut part = Part { name: String::new(), is_file: false };
    for line in lines {
        let (header, value) =
            line.split_once(':').ok_or(Error::Damaged("the head of a part has a line without a colon"))?;
        if header.trim().eq_ignore_ascii_case("content-disposition") {
            for parameter in value.split(';').skip(1) {
                let Some((key, value)) = parameter.split_once('=') else { continue };
                match key.trim().to_ascii_lowercase().as_str() {
                    "name" => part.name = value.trim().trim_matches('"').to_owned(),
                    "filename" | "filename*" => part.is_file = true,
                    _ => {}
                }
            }
        } else if header.trim().eq_ignore_ascii_case("content-type") {
            part.is_file |= value.trim().eq_ignore_ascii_case("application/octet-stream");
        }
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use proptest::prelude::*;

    use super::*;

    const BOUNDARY: &str = "--------------------------804112632216718116456637";

    /// A form as the reference sidecar was seen to send it.
    fn recorded() -> String {
        [
            &format!("--{BOUNDARY}\r\n"),
            "Content-Disposition: form-data; name=\"senderDestination\"\r\n\r\nnode_a\r\n",
            &format!("--{BOUNDARY}\r\n"),
            "Content-Disposition: form-data; name=\"blob\"; filename=\"x\"\r\nContent-Type: application/octet-stream\r\n\r\n",
            "some\r\n--bytes\r\n\r\n",
            &format!("--{BOUNDARY}--\r\n"),
        ]
        .concat()
    }

    fn read(text: &[u8], size: usize) -> Result<Vec<(Part, Bytes)>, Error> {
        let chunks: Vec<_> = text.chunks(size.max(1)).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let mut form = Form::new(Box::pin(stream::iter(chunks)), BOUNDARY);
        futures::executor::block_on(async {
            let mut parts = Vec::new();
            while let Some(part) = form.part().await? {
                parts.push((part, form.whole(1_000_000).await?));
            }
            Ok(parts)
        })
    }

    fn part(name: &str, is_file: bool) -> Part {
        Part { name: name.to_owned(), is_file }
    }

    #[test]
    fn a_recorded_form_is_read_however_it_is_cut() {
        for size in 1..recorded().len() {
            let parts = read(recorded().as_bytes(), size).unwrap();
            let expected = [
                (part("senderDestination", false), Bytes::from_static(b"node_a")),
                (part("blob", true), Bytes::from_static(b"some\r\n--bytes\r\n")),
            ];
            assert_eq!(parts, expected, "{size}");
        }
    }

    #[test]
    fn parts_may_be_empty_skipped_or_without_a_head() {
        let text = format!("preamble\r\n--{BOUNDARY} \r\n\r\n\r\n--{BOUNDARY}\r\n\r\nx\r\n--{BOUNDARY}--");
        assert_eq!(
            read(text.as_bytes(), 7).unwrap(),
            [(part("", false), Bytes::new()), (part("", false), Bytes::from_static(b"x"))]
        );
    }

    #[test]
    fn damage_is_told_and_never_held_in_memory() {
        let cut = recorded().len() - 10;
        let endless_head = format!("--{BOUNDARY}\r\nX: {}", "x".repeat(100_000));
        let many = format!("--{BOUNDARY}\r\n\r\n\r\n").repeat(MAX_PARTS + 1);
        let nothing = "x".repeat(100_000);
        for text in [&recorded()[..cut], &endless_head, &many, &nothing, "", &format!("--{BOUNDARY}x\r\n\r\n")] {
            assert!(matches!(read(text.as_bytes(), 1000), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn boundaries_are_found_in_content_types() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        for wrong in
            ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=a"]
        {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_content_comes_back(content in proptest::collection::vec(any::<u8>(), 0..600), size in 1_usize..80) {
            let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=m\r\n\r\n");
            let form = [head.as_bytes(), &content, format!("\r\n--{BOUNDARY}--").as_bytes()].concat();
            prop_assert_eq!(read(&form, size).unwrap(), [(part("m", false), Bytes::from(content))]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in "(\r\n|--|--------------------------804112632216718116456637|[a-z:;=\"]{0,5}){0,30}", size in 1_usize..50) {
            let _ = read(text.as_bytes(), size).map(|parts| parts.len());
        }
    }
}
