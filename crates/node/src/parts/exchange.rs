//! Data exchanges: of this node, or beside it.

use std::{fmt::Display, sync::Arc};

use photinus_exchange_client as client;
use photinus_exchange_https::{Bootstrap, Given, Handle, Options, Service};
use photinus_ports::{blobs::BlobStore, clock::Clock, exchange, peers::Peers};

use super::{Task, remote};
use crate::{
    Error,
    config::{DataExchange, DataExchangeKind, Ffdx, Https},
};

/// A running data exchange.
pub(super) enum Exchange {
    Https(Task<Handle>),
    Ffdx(Task<client::Handle>),
}

impl Exchange {
    /// As namespaces use it.
    pub(super) fn port(&self) -> Arc<dyn exchange::DataExchange> {
        match self {
            Self::Https(task) => Arc::new(task.handle.clone()),
            Self::Ffdx(task) => Arc::new(task.handle.clone()),
        }
    }

    /// Its connections to other members' nodes, if it has such.
    pub(super) fn peers(&self) -> Option<Arc<dyn Peers>> {
        match self {
            Self::Https(task) => Some(Arc::new(task.handle.clone())),
            Self::Ffdx(_) => None,
        }
    }

    /// What peers send is kept where this node's own blobs are.
    pub(super) fn keep_blobs_in(&self, store: Arc<dyn BlobStore>) {
        match self {
            Self::Https(task) => task.handle.keep_blobs_in(store),
            Self::Ffdx(task) => task.handle.keep_blobs_in(store),
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Https(task) => task.stop().await,
            Self::Ffdx(task) => task.stop().await,
        }
    }
}

/// Takes its port and begins to serve peers, or connects to the process that does. `organization` is the id of a certificate
/// that is made now, unless the configuration gives another.
pub(super) async fn start(plugin: &DataExchange, organization: &str, clock: Arc<dyn Clock>) -> Result<Exchange, Error> {
    match &plugin.kind {
        DataExchangeKind::Https(https) => {
            let options = options(&plugin.name, https, organization).await?;
            let bound = Service::bind(options, clock).await;
            let service = bound.map_err(|source| Error::Exchange { name: plugin.name.clone(), source })?;
            Ok(Exchange::Https(Task::spawn(service.handle(), |shutdown| service.run(shutdown))))
        }
        DataExchangeKind::Ffdx(ffdx) => {
            let Ffdx { remote, options } = &**ffdx;
            let mut options = options.clone();
            options.remote = remote::options(remote).await?;
            let made = client::Service::new(options);
            let service = made.map_err(|source| Error::Remote { name: plugin.name.clone(), source })?;
            Ok(Exchange::Ffdx(Task::spawn(service.handle(), |shutdown| service.run(shutdown))))
        }
    }
}

async fn options(name: &str, plugin: &Https, organization: &str) -> Result<Options, Error> {
    let wrong = |setting: &'static str, reason: &dyn Display| Error::ExchangeSetting {
        name: name.to_owned(),
        setting,
        reason: reason.to_string(),
    };
    let id = plugin.id.as_deref().unwrap_or(organization);
    let mut options = Options::new(&plugin.directory, id);
    options.listen = crate::address::resolve("https.address", &plugin.address, plugin.port).await?;
    options.next.clone_from(&plugin.next_certificate);
    options.limits.message = plugin.max_message;
    options.limits.body = plugin.max_blob;
    if let Some(endpoint) = &plugin.endpoint {
        options.endpoint = Some(endpoint.parse().map_err(|error| wrong("endpoint", &error))?);
    }
    if let (Some(certificate), Some(key)) = (&plugin.certificate, &plugin.key) {
        let (certificate, key) = (certificate.clone(), key.clone());
        options.given = Some(Given { certificate, key, ca: plugin.authority.clone() });
    }
    for peer in &plugin.peers {
        options.bootstrap.push(Bootstrap {
            endpoint: peer.endpoint.parse().map_err(|error| wrong("peers[].endpoint", &error))?,
            fingerprint: peer.fingerprint.parse().map_err(|error| wrong("peers[].fingerprint", &error))?,
            id: None,
        });
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Peer;

    fn plugin() -> Https {
        Https {
            directory: "dir".into(),
            address: "localhost".into(),
            port: 5005,
            endpoint: Some("https://node.example:5005".into()),
            id: None,
            certificate: Some("c.pem".into()),
            key: Some("k.pem".into()),
            authority: None,
            next_certificate: None,
            max_message: 1 << 20,
            max_blob: 16 << 30,
            peers: vec![Peer { endpoint: "https://127.0.0.1:1".into(), fingerprint: "ab".repeat(32) }],
        }
    }

    #[tokio::test]
    async fn settings_become_options() {
        let options = options("dx", &plugin(), "org_a").await.unwrap();
        assert_eq!((options.id.as_str(), options.listen.port()), ("org_a", 5005));
        assert!(options.listen.ip().is_loopback() && options.given.is_some());
        assert_eq!(options.endpoint.unwrap().to_string(), "https://node.example:5005");
        assert_eq!(options.bootstrap[0].fingerprint.to_string(), "ab".repeat(32));
    }

    #[tokio::test]
    async fn wrong_settings_are_named() {
        let mut wrong = plugin();
        wrong.endpoint = Some("http://node.example".into());
        let error = options("dx", &wrong, "org_a").await.unwrap_err().to_string();
        assert!(error.starts_with("data exchange plug-in dx: endpoint"), "{error}");
        let mut wrong = plugin();
        wrong.peers[0].endpoint = "nowhere".into();
        assert!(options("dx", &wrong, "org_a").await.unwrap_err().to_string().contains("peers[].endpoint"));
        let mut wrong = plugin();
        wrong.address = "no such host.invalid".into();
        assert!(matches!(options("dx", &wrong, "org_a").await, Err(Error::Address { .. })));
    }
}
