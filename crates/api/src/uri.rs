//! Paths and queries of requests, decoded.

/// The parts of a path between its slashes, decoded. Empty parts are left out, so that `//` is `/`, but for one behind a slash at
/// the end: that is another path than the one without it. `None` when a part is not text.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let last = path.ends_with('/').then(String::new);
    let parts = path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false));
    parts.chain(last.map(Some)).collect()
}

/// The parameters of a query in their order, decoded. Bytes that are not text become the replacement character.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let text = |part: &str| String::from_utf8_lossy(&bytes(part, true)).into_owned();
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (text(name), text(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn decode(part: &str, plus: bool) -> Option<String> {
    String::from_utf8(bytes(part, plus)).ok()
}

/// `%XX` as a byte; with `plus`, `+` as a space. A `%` without two digits stays.
fn bytes(part: &str, plus: bool) -> Vec<u8> {
    let digit =
        |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let raw = part.as_bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        match (byte, digit(raw.get(at + 1)), digit(raw.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
                continue;
            }
            (b'+', ..) if plus => decoded.push(b' '),
            _ => decoded.push(*byte),
        }
        at += 1;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_and_decoded() {
        let parts = |path| segments(path).map(|parts| parts.join("|"));
        assert_eq!(parts("/a//b%2Fc/d+e").as_deref(), Some("a|b/c|d+e"));
        assert_eq!(parts("/a/").as_deref(), Some("a|"));
        assert_eq!(parts("/").as_deref(), Some(""));
        assert_eq!(parts("/%ff"), None);
        assert_eq!(parts("/a%zz").as_deref(), Some("a%zz"));
    }

    #[test]
    fn queries_are_split_and_decoded() {
        let expected = [("a", "b c"), ("d", ""), ("e", "=f"), ("g", "&")];
        let pairs = pairs("a=b+c&d&e==f&&g=%26");
        assert_eq!(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
    }
}
