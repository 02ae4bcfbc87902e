//! A client for each way of calling: its connections, its TLS, its proxy.

use std::sync::Arc;

use photinus_ports::webhooks::Profile;
use reqwest::{Certificate, Client, Identity, Proxy, redirect};
use url::Url;

use crate::{
    guard::{Guarded, Resolver},
    options::{Options, Tls},
};

/// Redirects that are followed, as many as clients of FireFly's kind do.
const REDIRECTS: usize = 10;

/// Makes the client of a profile.
pub(crate) fn client(options: &Options, profile: &Profile) -> Result<Client, String> {
    let guard = Arc::new(options.guard.clone());
    let connecting = profile.connection_timeout.unwrap_or(options.connection_timeout)
        + profile.tls_timeout.unwrap_or(options.tls_timeout);
    let judge = Arc::clone(&guard);
    let mut builder = Client::builder()
        .user_agent(concat!("photinus/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Resolver { guard: Arc::clone(&guard), proxy: own_proxy(options, profile) })
        .redirect(redirect::Policy::custom(move |attempt| {
            if attempt.previous().len() > REDIRECTS {
                return attempt.error("more than 10 redirects");
            }
            match judge.check(attempt.url()) {
                Ok(()) => attempt.follow(),
                Err(guarded) => attempt.error(guarded),
            }
        }))
        .referer(false)
        .connect_timeout(connecting)
        .timeout(profile.request_timeout.unwrap_or(options.request_timeout))
        .pool_idle_timeout(profile.idle_timeout.unwrap_or(options.idle_timeout))
        .pool_max_idle_per_host(profile.idle_connections.unwrap_or(options.idle_connections))
        .tcp_nodelay(true)
        .no_proxy();
    if let Some(url) = proxy(options, profile) {
        builder = builder.proxy(Proxy::all(url).map_err(|error| format!("the proxy's URL: {error}"))?);
    }
    let tls = match &profile.tls {
        Some(name) => Some(options.tls_by_name.get(name).ok_or_else(|| format!("there is no TLS setting '{name}'"))?),
        None => options.tls.as_ref(),
    };
    if let Some(Tls { authorities, identity, insecure }) = tls {
        if let Some(pem) = authorities {
            let authorities =
                Certificate::from_pem_bundle(pem).map_err(|error| format!("certificate authorities: {error}"))?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(pem) = identity {
            builder =
                builder.identity(Identity::from_pem(pem).map_err(|error| format!("certificate and key: {error}"))?);
        }
        builder = builder.tls_danger_accept_invalid_certs(*insecure);
    }
    builder.build().map_err(|error| chain(&error))
}

/// The proxy that calls of a profile go through.
pub(crate) fn proxy<'a>(options: &'a Options, profile: &'a Profile) -> Option<&'a str> {
    profile.proxy.as_deref().or(options.proxy.as_deref()).filter(|url| !url.is_empty())
}

/// Host of the operator's proxy, where it is used.
fn own_proxy(options: &Options, profile: &Profile) -> Option<String> {
    let url = options.proxy.as_deref().filter(|_| profile.proxy.is_none())?;
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// Whether the guard stands behind a failure, and at what.
pub(crate) fn guarded(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(guarded) = error.downcast_ref::<Guarded>() {
            return Some(guarded.0.clone());
        }
        next = error.source();
    }
    None
}

/// A failure with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
