//! `events.webhooks` and `namespaces.predefined[].tlsConfigs`: how applications are called.

use std::{collections::BTreeMap, num::NonZeroU32, path::PathBuf};

use photinus_engine::{events::status_pattern, options::WebhookRetry};
use photinus_webhooks::{Options, guard::Guard, options::Rate};
use serde_json::Value;

use super::section::Section;

/// How applications are called.
#[derive(Clone, Debug, Default)]
pub struct Webhooks {
    /// URL, headers, times, sizes and guard; TLS is apart.
    pub options: Options,
    /// TLS of calls whose subscription names none.
    pub tls: Option<Tls>,
    /// Repeated calls, and how much is parked.
    pub delivery: photinus_engine::options::Webhooks,
}

impl Webhooks {
    /// What is not shown, to tell whether it changed.
    pub(crate) fn hidden(&self, tls: &BTreeMap<String, Tls>) -> String {
        let Options { headers, auth, proxy, .. } = &self.options;
        let texts: Vec<&str> = self.tls.iter().chain(tls.values()).flat_map(Tls::texts).collect();
        format!("{headers:?} {auth:?} {proxy:?} {texts:?}")
    }
}

impl Tls {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authorities.iter().chain(identity).filter_map(|pem| match pem {
            Pem::Text(text) => Some(text.as_str()),
            Pem::File(_) => None,
        })
    }
}

/// TLS as it is configured: texts in PEM, or files that are read at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authorities, instead of those of the system.
    pub authorities: Option<Pem>,
    /// A certificate chain for servers that ask for one, and its key.
    pub identity: Option<(Pem, Pem)>,
    /// Accepts any certificate.
    pub insecure: bool,
}

/// A text in PEM.
#[derive(Clone, PartialEq, Eq)]
pub enum Pem {
    /// The text.
    Text(String),
    /// A file that holds it.
    File(PathBuf),
}

impl std::fmt::Debug for Pem {
    /// Without the text, which may be a key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

pub(super) fn read(section: &Section<'_>) -> Webhooks {
    let default = Options::default();
    let auth = section.section("auth");
    let options = Options {
        url: section.text("url"),
        headers: headers(section),
        auth: auth.text("username").map(|user| (user, auth.text("password").unwrap_or_default())),
        proxy: section.section("proxy").text("url"),
        connection_timeout: section.duration("connectionTimeout", default.connection_timeout),
        tls_timeout: section.duration("tlsHandshakeTimeout", default.tls_timeout),
        request_timeout: section.duration("requestTimeout", default.request_timeout),
        idle_timeout: section.duration("idleTimeout", default.idle_timeout),
        idle_connections: section.number("maxIdleConns", default.idle_connections, 0, 100_000),
        answer_size: {
            let size = section.size("maxResponseSize", default.answer_size as u64);
            usize::try_from(size).ok().filter(|size| *size <= 1 << 30).unwrap_or_else(|| {
                section.problem("maxResponseSize", "must be at most 1Gb");
                default.answer_size
            })
        },
        guard: guard(&section.section("guard")),
        throttle: throttle(&section.section("throttle")),
        ..default
    };
    let tls = section.section("tls");
    Webhooks {
        options,
        tls: tls.flag("enabled", false).then(|| one_tls(&tls)),
        delivery: photinus_engine::options::Webhooks {
            retry: retry(&section.section("retry")),
            parked: section.number("maxParked", photinus_engine::options::Webhooks::default().parked, 1, 1_000_000),
            ..photinus_engine::options::Webhooks::default()
        },
    }
}

pub(super) fn headers(section: &Section<'_>) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    match section.json("headers") {
        None => Vec::new(),
        Some(Value::Object(headers)) => headers
            .iter()
            .filter_map(|(name, value)| {
                let text = text(value);
                if text.is_none() {
                    section.problem("headers", format!("must give '{name}' a text"));
                }
                Some((name.clone(), text?))
            })
            .collect(),
        Some(_) => {
            section.problem("headers", "must be a section of names and texts");
            Vec::new()
        }
    }
}

fn throttle(section: &Section<'_>) -> Option<Rate> {
    let number = |name: &str| NonZeroU32::new(section.number(name, 0, 0, 1_000_000));
    let (per_second, burst) = (number("requestsPerSecond"), number("burst"));
    if per_second.is_none() && burst.is_some() {
        section.problem("burst", "has no meaning without requestsPerSecond");
    }
    per_second.map(|per_second| Rate { per_second, burst })
}

fn guard(section: &Section<'_>) -> Guard {
    let networks = section.texts("allow").unwrap_or_default();
    let network = |text: &String| {
        let read = text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(Into::into));
        if read.is_none() {
            section.problem("allow", format!("has '{text}', which is not a network such as 10.0.0.0/8"));
        }
        read
    };
    Guard { allow: networks.iter().filter_map(network).collect() }
}

fn retry(section: &Section<'_>) -> WebhookRetry {
    let default = WebhookRetry::default();
    let statuses = section.text("errorStatusCodeRegex").and_then(|pattern| match status_pattern(&pattern) {
        Ok(pattern) => pattern,
        Err(error) => {
            section.problem("errorStatusCodeRegex", error.to_string());
            None
        }
    });
    WebhookRetry {
        enabled: section.flag("enabled", default.enabled),
        count: section.number("count", default.count, 0, 1_000_000),
        initial: section.duration("initWaitTime", default.initial),
        maximum: section.duration("maxWaitTime", default.maximum),
        factor: section.number("factor", default.factor, 1.0, 100.0),
        statuses,
    }
}

/// The TLS settings of a namespace by name.
pub(super) fn tls_configs(namespace: &Section<'_>) -> BTreeMap<String, Tls> {
    let mut found = BTreeMap::new();
    for config in namespace.list("tlsConfigs") {
        let (name, tls) = (config.required("name"), config.section("tls"));
        let read = if tls.flag("enabled", true) { one_tls(&tls) } else { Tls::default() };
        if found.insert(name.clone(), read).is_some() {
            config.problem("name", format!("is '{name}', as that of another entry"));
        }
    }
    found
}

pub(super) fn one_tls(section: &Section<'_>) -> Tls {
    let pem = |text: &str, file: &str| {
        let inline = section.text(text).map(Pem::Text);
        inline.or_else(|| section.text(file).map(|path| Pem::File(PathBuf::from(path))))
    };
    let identity = match (pem("cert", "certFile"), pem("key", "keyFile")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            section.problem("certFile", "and keyFile go together");
            None
        }
    };
    Tls { authorities: pem("ca", "caFile"), identity, insecure: section.flag("insecureSkipHostVerify", false) }
}
