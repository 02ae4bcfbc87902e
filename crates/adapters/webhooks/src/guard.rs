//! Which addresses may be called.
//!
//! Whoever may create a subscription chooses a URL, and must not reach through it what only this machine can reach: the
//! services beside it, its own other ports, the metadata of a cloud. So only public addresses are called, and those that the
//! operator names. Names are resolved here and judged by their addresses, at each connection, so that a name that changes
//! its address between a check and a call gains nothing.

use std::{
    error::Error as StdError,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Which addresses may be called: public ones, and those of the networks that are listed.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Networks that may be called besides.
    pub allow: Vec<IpNet>,
}

/// An address that is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Guarded(pub String);

impl Guard {
    /// A guard that lets everything pass.
    #[must_use]
    pub fn open() -> Self {
        let all = |address: IpAddr| IpNet::new(address, 0).ok();
        let all = [all(Ipv4Addr::UNSPECIFIED.into()), all(Ipv6Addr::UNSPECIFIED.into())];
        Self { allow: all.into_iter().flatten().collect() }
    }

    /// Whether an address may be called.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        // An address of version 4 in the clothes of version 6 reaches the same host.
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address)) || is_public(address)
    }

    /// Judges the host of a URL as far as it can be told without resolving a name.
    pub(crate) fn check(&self, url: &Url) -> Result<(), Guarded> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(name)) if is_local_name(name) => Ipv4Addr::LOCALHOST.into(),
            _ => return Ok(()),
        };
        if self.allows(address) { Ok(()) } else { Err(Guarded(url.host_str().unwrap_or_default().to_owned())) }
    }

    /// Addresses of a name, if all of them may be called.
    pub(crate) async fn resolve(&self, name: &str) -> Result<Vec<SocketAddr>, Box<dyn StdError + Send + Sync>> {
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name, 0)).await?.collect();
        match found.iter().find(|address| !self.allows(address.ip())) {
            Some(address) => Err(Box::new(Guarded(format!("{name} ({})", address.ip())))),
            None => Ok(found),
        }
    }
}

fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Resolves names for connections, through the guard.
pub(crate) struct Resolver {
    pub(crate) guard: Arc<Guard>,
    /// Name of the operator's own proxy, which may be anywhere.
    pub(crate) proxy: Option<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let trusted = self.proxy.as_deref().is_some_and(|proxy| proxy.eq_ignore_ascii_case(name.as_str()));
        let guard = if trusted { Arc::new(Guard::open()) } else { Arc::clone(&self.guard) };
        Box::pin(async move { Ok(Box::new(guard.resolve(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

/// Whether an address is one of the public Internet, by the registries of special-purpose addresses.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // Addresses of version 4 behind a translator or a tunnel.
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarks and the like; documentation.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // Only this block is given out for the Internet; the rest is local, multicast or reserved.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(guard: &Guard, address: &str) -> bool {
        guard.allows(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_called() {
        let guard = Guard::default();
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
        ] {
            assert!(!allowed(&guard, address), "{address}");
        }
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"] {
            assert!(allowed(&guard, address), "{address}");
        }
    }

    #[test]
    fn listed_networks_are_called_too() {
        let guard = Guard { allow: vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()] };
        assert!(allowed(&guard, "10.9.9.9") && allowed(&guard, "::1") && allowed(&guard, "::ffff:10.0.0.1"));
        assert!(!allowed(&guard, "192.168.0.1"));
        assert!(allowed(&Guard::open(), "127.0.0.1") && allowed(&Guard::open(), "fe80::1"));
    }

    #[test]
    fn hosts_are_judged_in_every_spelling() {
        let guard = Guard::default();
        for url in [
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://LOCALHOST./",
        ] {
            assert!(guard.check(&Url::parse(url).unwrap()).is_err(), "{url}");
        }
        assert!(guard.check(&Url::parse("http://example.com/").unwrap()).is_ok());
    }

    #[tokio::test]
    async fn names_are_judged_by_their_addresses() {
        let error = Guard::default().resolve("localhost").await.unwrap_err();
        assert!(error.downcast_ref::<Guarded>().is_some(), "{error}");
        assert!(!Guard::open().resolve("localhost").await.unwrap().is_empty());
    }
}
