//! Addresses to listen on.

use std::net::SocketAddr;

use crate::Error;

/// The first address of a host name or IP address.
pub(crate) async fn resolve(setting: &str, host: &str, port: u16) -> Result<SocketAddr, Error> {
    let wrong = |reason: String| Error::Address { setting: setting.into(), address: host.into(), reason };
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|error| wrong(error.to_string()))?;
    found.next().ok_or_else(|| wrong("it has no address".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn resolves_names_and_addresses() {
        assert_eq!(resolve("http.address", "127.0.0.1", 5000).await.unwrap().to_string(), "127.0.0.1:5000");
        assert!(resolve("http.address", "localhost", 1).await.unwrap().ip().is_loopback());
        let error = resolve("http.address", "256.0.0.1", 1).await.unwrap_err().to_string();
        assert!(error.starts_with("http.address cannot be '256.0.0.1'"), "{error}");
    }
}
