//! What calls the applications of a namespace.

use std::sync::Arc;

use photinus_webhooks::{Webhooks, options};

use crate::{
    Error,
    config::{Config, Namespace, Pem, Tls},
};

/// Gets ready to call. `None` when the transport is switched off.
pub(crate) async fn start(config: &Config, namespace: &Namespace) -> Result<Option<Arc<Webhooks>>, Error> {
    if !config.tuning.transports.iter().any(|transport| transport == "webhooks") {
        return Ok(None);
    }
    let mut options = config.webhooks.options.clone();
    if let Some(tls) = &config.webhooks.tls {
        options.tls = Some(read(tls).await?);
    }
    for (name, tls) in &namespace.tls {
        options.tls_by_name.insert(name.clone(), read(tls).await?);
    }
    let made = Webhooks::new(options).map_err(|source| Error::Webhooks { name: namespace.name.clone(), source })?;
    Ok(Some(Arc::new(made)))
}

async fn read(tls: &Tls) -> Result<options::Tls, Error> {
    let (authorities, identity) = pems(tls).await?;
    Ok(options::Tls { authorities, identity, insecure: tls.insecure })
}

/// Authorities, and a certificate with its key behind it.
pub(super) async fn pems(tls: &Tls) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>), Error> {
    let authorities = match &tls.authorities {
        Some(pem) => Some(text(pem).await?),
        None => None,
    };
    let identity = match &tls.identity {
        Some((certificate, key)) => {
            let mut both = text(certificate).await?;
            both.push(b'\n');
            both.extend(text(key).await?);
            Some(both)
        }
        None => None,
    };
    Ok((authorities, identity))
}

async fn text(pem: &Pem) -> Result<Vec<u8>, Error> {
    match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => {
            tokio::fs::read(path).await.map_err(|source| Error::Certificate { path: path.clone(), source })
        }
    }
}
