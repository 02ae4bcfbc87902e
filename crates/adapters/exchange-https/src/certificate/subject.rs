//! The id that a certificate's subject carries: `O`, `OU`, or `O-OU`, as the FireFly data exchange derives it.
//!
//! The reference derives it in two ways that disagree on unusual subjects. Here only subjects are taken on which both
//! ends agree: one `O`, at most one `OU`, and no character that either treats specially.

use x509_parser::x509::X509Name;

/// Why a subject gives no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Neither `O` nor `OU`.
    #[error("the certificate's subject has neither O nor OU")]
    Missing,
    /// More than one of a kind.
    #[error("the certificate's subject has more than one O or OU")]
    Ambiguous,
    /// Characters that an id cannot have, or a wrong length.
    #[error("the certificate's subject gives an id with characters or a length that no node can have")]
    Form,
}

/// Whether an id may be a peer's: printable ASCII that no path, list or quotation treats specially.
pub(crate) fn is_peer_id(text: &str) -> bool {
    (1..=130).contains(&text.len())
        && !text.starts_with(' ')
        && !text.ends_with(' ')
        && text.bytes().all(|b| (b == b' ' || b.is_ascii_graphic()) && !matches!(b, b'/' | b'\\' | b'"' | b'%' | b','))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// Whether an id may be this node's own: the narrower alphabet that every reader of subjects understands alike.
pub(crate) fn is_own_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-'))
        && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

pub(crate) fn id(subject: &X509Name<'_>) -> Result<String, Error> {
    let organization = only(subject.iter_organization().map(|o| o.as_str().map_err(|_| Error::Form)))?;
    let unit = only(subject.iter_organizational_unit().map(|o| o.as_str().map_err(|_| Error::Form)))?;
    let id = match (organization, unit) {
        (Some(organization), Some(unit)) => format!("{organization}-{unit}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => return Err(Error::Missing),
    };
    if is_peer_id(&id) { Ok(id) } else { Err(Error::Form) }
}

fn only<'a>(mut values: impl Iterator<Item = Result<&'a str, Error>>) -> Result<Option<&'a str>, Error> {
    let first = values.next().transpose()?;
    if values.next().is_some() { Err(Error::Ambiguous) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;
    use crate::certificate::Certificate;

    fn check(subject: &[(DnType, &str)], expected: Result<&str, Error>) {
        let mut name = DistinguishedName::new();
        for (kind, value) in subject {
            name.push(kind.clone(), *value);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = name;
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_eq!(Certificate::parse(made.der()).unwrap().id(), expected, "{subject:?}");
    }

    #[test]
    fn derives_the_id_of_the_reference() {
        use DnType::{CommonName, OrganizationName, OrganizationalUnitName};
        check(&[(CommonName, "localhost"), (OrganizationName, "org_a")], Ok("org_a"));
        check(&[(OrganizationName, "org"), (OrganizationalUnitName, "unit1")], Ok("org-unit1"));
        check(&[(OrganizationalUnitName, "unit1")], Ok("unit1"));
        check(&[(OrganizationName, "acme.com")], Ok("acme.com"));
        check(&[(OrganizationName, "Acme Corp")], Ok("Acme Corp"));
        check(&[(CommonName, "org_a")], Err(Error::Missing));
        check(&[(OrganizationName, "A/B")], Err(Error::Form));
        check(&[(OrganizationName, "..")], Err(Error::Form));
        check(&[(OrganizationName, "a%2fb")], Err(Error::Form));
        check(&[(OrganizationName, "orgé")], Err(Error::Form));
    }

    #[test]
    fn own_ids_are_narrower() {
        assert!(is_own_id("member_0"));
        for wrong in ["", "acme.com", "a b", "a/b", "+", &"x".repeat(65)] {
            assert!(!is_own_id(wrong), "{wrong}");
        }
    }
}
