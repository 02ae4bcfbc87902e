//! FireFly's settings of an HTTP client, for a process beside this node.

use photinus_remote::Options;

use super::{
    section::Section,
    webhooks::{Tls, headers, one_tls},
};

/// How a process beside this node is reached.
#[derive(Clone, Debug)]
pub struct Remote {
    /// All but TLS.
    pub options: Options,
    /// Texts in PEM, or files that are read at the start.
    pub tls: Option<Tls>,
}

impl Remote {
    /// What is not shown, to tell whether it changed.
    #[cfg(test)]
    pub(crate) fn hidden(&self) -> String {
        let Options { headers, auth, proxy, .. } = &self.options;
        format!("{headers:?} {auth:?} {proxy:?}")
    }
}

pub(super) fn read(section: &Section<'_>) -> Remote {
    let default = Options::new(section.required("url"));
    if !default.url.is_empty()
        && let Err(error) = photinus_remote::parse(&default.url)
    {
        section.problem("url", format!("cannot be used: {error}"));
    }
    let (auth, tls) = (section.section("auth"), section.section("tls"));
    let options = Options {
        headers: headers(section),
        auth: auth.text("username").map(|user| (user, auth.text("password").unwrap_or_default())),
        proxy: section.section("proxy").text("url"),
        connection_timeout: section.duration("connectionTimeout", default.connection_timeout),
        tls_timeout: section.duration("tlsHandshakeTimeout", default.tls_timeout),
        request_timeout: section.duration("requestTimeout", default.request_timeout),
        idle_timeout: section.duration("idleTimeout", default.idle_timeout),
        idle_connections: section.number("maxIdleConns", default.idle_connections, 0, 100_000),
        ..default
    };
    Remote { options, tls: tls.flag("enabled", false).then(|| one_tls(&tls)) }
}
