//! Node ids, `base` or `base/node name`, and how a delivery says from whom to whom it goes.

use http::{HeaderMap, HeaderValue, StatusCode, request};
use photinus_model::name;
use photinus_ports::{
    exchange::{Error, Refusal, Route},
    peers::PeerId,
};

use super::Refused;
use crate::shared::Shared;

const FROM: &str = "photinus-from";
const TO: &str = "photinus-to";

/// The base id, which certificates carry and connections lead to.
pub(crate) fn base(node: &PeerId) -> PeerId {
    PeerId(split(node).0.to_owned())
}

/// Base id and node name.
pub(crate) fn split(node: &PeerId) -> (&str, Option<&str>) {
    match node.0.split_once('/') {
        Some((base, name)) => (base, Some(name)),
        None => (&node.0, None),
    }
}

/// The id of a node behind a base id.
pub(crate) fn join(base: &str, name: Option<&str>) -> PeerId {
    PeerId(name.map_or_else(|| base.to_owned(), |name| format!("{base}/{name}")))
}

/// Whether a delivery may leave by this route: its sender is a node behind this data exchange.
pub(crate) fn leaves(shared: &Shared, route: &Route) -> Result<(), Error> {
    if split(&route.from).0 == shared.identity.id() {
        return Ok(());
    }
    let own = shared.identity.id();
    Err(Error::Failed(format!("'{}' is no node of this data exchange, whose id is '{own}'", route.from.0)))
}

/// Whether the sender is a node that the ledger told of. A claim may be on its way still.
pub(crate) fn known_sender(shared: &Shared, route: &Route) -> Result<(), Refusal> {
    let (base, name) = split(&route.from);
    if shared.trust.has_node(base, name) {
        return Ok(());
    }
    Err(Refusal::Later(format!("node '{}' is not known here, or not yet", route.from.0)))
}

/// Writes a route into a request.
pub(crate) fn write(mut request: request::Builder, route: &Route) -> request::Builder {
    for (header, node) in [(FROM, &route.from), (TO, &route.to)] {
        if let (_, Some(name)) = split(node) {
            request = request.header(header, name);
        }
    }
    request
}

/// Reads the route of a request of the peer with this base id.
pub(crate) fn read(headers: &HeaderMap, peer: &PeerId, own: &str) -> Result<Route, Refused> {
    Ok(Route { from: join(&peer.0, node_name(headers, FROM)?), to: join(own, node_name(headers, TO)?) })
}

fn node_name<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a str>, Refused> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    match value.to_str() {
        Ok(text) if name::is_valid(text) => Ok(Some(text)),
        _ => Err(Refused::new(StatusCode::BAD_REQUEST, format!("header '{header}' is no node name"))),
    }
}

/// A header that is a number.
pub(crate) fn number(headers: &HeaderMap, header: &str) -> Result<Option<u64>, Refused> {
    let read = |value: &HeaderValue| value.to_str().ok().and_then(|text| text.parse().ok());
    match headers.get(header) {
        None => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| {
            Refused::new(StatusCode::BAD_REQUEST, format!("header '{header}' is no number that can be used"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_they_are_written() {
        for (from, to) in [("org_a/node_1", "org_b/node.2"), ("org_a", "org_b"), ("org_a", "org_b/n")] {
            let route = Route { from: PeerId(from.to_owned()), to: PeerId(to.to_owned()) };
            let request = write(http::Request::builder(), &route).body(()).unwrap();
            assert_eq!(read(request.headers(), &base(&route.from), "org_b"), Ok(route));
        }
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for wrong in ["../x", "", "a/b", "a b", "%2e"] {
            let mut headers = HeaderMap::new();
            headers.insert(FROM, HeaderValue::from_str(wrong).unwrap());
            assert!(read(&headers, &PeerId("org_a".to_owned()), "org_b").is_err(), "{wrong}");
        }
    }
}
