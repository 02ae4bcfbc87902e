//! Listings of a collection: the text of records is kept for the next listing that shows them.

use std::sync::Arc;

use http::StatusCode;
use photinus_query::Query;
use photinus_store::{Page, Stored};
use serde::Serialize;

use crate::{
    reply::{self, Answer},
    request::Request,
};

/// Bytes of texts that a node keeps: some thousand records.
pub(crate) const KEPT: u64 = 4 << 20;

/// Bytes of an answer around its records.
const AROUND: usize = 64;

/// The listing that the parameters of a request ask for.
pub(crate) async fn list<T: Stored + Serialize>(request: Request) -> Answer {
    found::<T>(&request, &request.listing()?).await
}

/// What a query finds.
pub(crate) async fn found<T: Stored + Serialize>(request: &Request, query: &Query) -> Answer {
    let page = request.read()?.texts::<T>(query, &request.shared.texts).await?;
    Ok(reply::of(StatusCode::OK, "application/json", join(&page)))
}

/// An array of texts, or with `count` an object around it.
fn join(page: &Page<Arc<[u8]>>) -> Vec<u8> {
    let length: usize = page.items.iter().map(|item| item.len() + 1).sum();
    let mut text = Vec::with_capacity(length + AROUND);
    if let Some(total) = page.total {
        text.extend_from_slice(format!("{{\"count\":{},\"total\":{total},\"items\":", page.items.len()).as_bytes());
    }
    text.push(b'[');
    for (index, item) in page.items.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(item);
    }
    text.push(b']');
    if page.total.is_some() {
        text.push(b'}');
    }
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_joined_as_records_are_written() {
        for (items, total) in [(&[][..], None), (&["1"][..], None), (&["1", "[2]"], Some(7)), (&[], Some(0))] {
            let texts = items.iter().map(|item| Arc::from(item.as_bytes())).collect();
            let joined = join(&Page { items: texts, total });
            let items: Vec<serde_json::Value> = items.iter().map(|item| item.parse().unwrap()).collect();
            let written = match total {
                None => serde_json::to_string(&items),
                Some(total) => {
                    serde_json::to_string(&reply::Envelope { count: items.len(), total: Some(total), items: &items })
                }
            };
            assert_eq!(String::from_utf8(joined).unwrap(), written.unwrap() + "\n");
        }
    }
}
