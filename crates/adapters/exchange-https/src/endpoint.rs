//! Addresses of peers: `https://host:port`, as node profiles and configurations write them.

use std::{fmt, str::FromStr};

use rustls::pki_types::ServerName;

/// Where a node listens for its peers. Printed without a trailing slash, which the reference would not understand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: String,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a URL of this form at all.
    #[error("endpoint is not a URL of the form https://host:port")]
    Form,
    /// Another scheme than `https`.
    #[error("endpoint does not begin with https://")]
    Scheme,
    /// Longer than 1024 bytes.
    #[error("endpoint is longer than 1024 bytes")]
    TooLong,
}

impl Endpoint {
    /// The endpoint of an address.
    #[must_use]
    pub fn of(address: std::net::SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port(), path: String::new() }
    }

    /// Host name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What precedes every path on this endpoint: empty, or a path without a trailing slash.
    pub(crate) fn prefix(&self) -> &str {
        &self.path
    }

    /// The name for the TLS handshake. Peers are known by their certificates, so a host that is no DNS name does no harm.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        ServerName::try_from(self.host.clone())
            .unwrap_or_else(|_| ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into()))
    }

    fn host_in_url(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// `host:port`, as the authority of a request.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host_in_url(), self.port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}{}", self.host_in_url(), self.port, self.path)
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.len() > 1024 {
            return Err(Error::TooLong);
        }
        let uri: http::Uri = text.parse().map_err(|_| Error::Form)?;
        match uri.scheme_str() {
            Some("https") => {}
            Some(_) => return Err(Error::Scheme),
            None => return Err(Error::Form),
        }
        let authority = uri.authority().ok_or(Error::Form)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(Error::Form);
        }
        // The library overlooks a port that is no number or too large.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 443,
            Some(rest) => rest.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(Error::Form)?,
            None => return Err(Error::Form),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 {
            return Err(Error::Form);
        }
        Ok(Self { host: host.to_owned(), port, path: uri.path().trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, Error>) {
        assert_eq!(text.parse::<Endpoint>().map(|e| e.to_string()), expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn reads_what_profiles_write() {
        check("https://dataexchange_0:3001", Ok("https://dataexchange_0:3001"));
        check("https://dx.example.org:3001/", Ok("https://dx.example.org:3001"));
        check("https://dx.example.org", Ok("https://dx.example.org:443"));
        check("https://gw.example.org/dx/", Ok("https://gw.example.org:443/dx"));
        check("https://[::1]:9000", Ok("https://[::1]:9000"));
    }

    #[test]
    fn refuses_everything_else() {
        check("http://dx:3001", Err(Error::Scheme));
        check("dx:3001", Err(Error::Form));
        check("", Err(Error::Form));
        check("https://", Err(Error::Form));
        check("https://user:secret@dx:3001", Err(Error::Form));
        check("https://dx:3001/?a=b", Err(Error::Form));
        check("https://dx:0", Err(Error::Form));
        check("https://dx:99999", Err(Error::Form));
        check(&format!("https://{}", "x".repeat(1100)), Err(Error::TooLong));
    }
}
