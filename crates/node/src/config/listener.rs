//! `http`, `spi`, `monitoring`, `metrics`, `api` and `cors`: what the API's listeners are told.

use std::{path::PathBuf, time::Duration};

use photinus_api::options::{By, Changes, Cors, Limits, Listener, Monitoring, Options, Pem, RateLimit, Tls};

use super::section::Section;

pub(super) fn read(root: &Section<'_>) -> Options {
    let spi = root.section("spi");
    let api = root.section("api");
    Options {
        http: listener(&root.section("http"), 5000),
        spi: spi.flag("enabled", false).then(|| listener(&spi, 5001)),
        monitoring: monitoring(root),
        changes: changes(&spi.section("ws")),
        cors: cors(&root.section("cors")),
        limits: Limits {
            read_timeout: read_timeout(&root.section("http")),
            ..limits(&api, &root.section("histograms"))
        },
        dynamic_public_url_header: api.text("dynamicPublicURLHeader"),
    }
}

fn listener(section: &Section<'_>, port: u16) -> Listener {
    let public_url = section.text("publicURL").map(|url| url.trim_end_matches('/').to_owned());
    if public_url.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        section.problem("publicURL", "must start with http:// or https://");
    }
    Listener {
        address: section.text("address").unwrap_or_else(|| "127.0.0.1".into()),
        port: section.optional("port").unwrap_or(port),
        public_url,
        shutdown_timeout: section.duration("shutdownTimeout", Duration::from_secs(10)),
        tls: tls(&section.section("tls")),
        passwords: passwords(&section.section("auth")),
        rate_limit: rate_limit(section),
    }
}

/// `rateLimit`; absent is no limit.
fn rate_limit(section: &Section<'_>) -> Option<RateLimit> {
    let limit = section.section("rateLimit");
    let per_second: f64 = limit.number("requestsPerSecond", 0.0, 0.0, 1e9);
    let by = match limit.text("by").as_deref() {
        None | Some("address") => By::Address,
        Some("user") => {
            if section.section("auth").text("type").is_none() {
                limit.problem("by", "is 'user', and the listener asks for no names: set auth.type, or write address");
            }
            By::User
        }
        Some(other) => {
            limit.problem("by", format!("is '{other}'; write address or user"));
            By::Address
        }
    };
    // A second's worth at once, unless said otherwise.
    let usual = per_second.ceil().clamp(1.0, f64::from(u32::MAX)) as u32;
    let burst = limit.number("burst", usual, 1, u32::MAX);
    (per_second > 0.0).then_some(RateLimit { per_second, burst, by })
}

fn tls(section: &Section<'_>) -> Option<Tls> {
    if !section.flag("enabled", false) {
        return None;
    }
    let pem = |file: &str, text: &str| {
        section.text(file).map(|path| Pem::File(path.into())).or_else(|| section.text(text).map(Pem::Text))
    };
    let (certificate, key, authorities) = (pem("certFile", "cert"), pem("keyFile", "key"), pem("caFile", "ca"));
    for (missing, setting) in [(certificate.is_none(), "certFile"), (key.is_none(), "keyFile")] {
        if missing {
            section.problem(setting, "is missing: a listener with TLS needs a certificate and its key, in PEM");
        }
    }
    let demands = section.flag("clientAuth", false);
    if demands && authorities.is_none() {
        section.problem("caFile", "is missing: clientAuth needs the authorities that clients' certificates come from");
    }
    Some(Tls { certificate: certificate?, key: key?, clients: authorities.filter(|_| demands) })
}

fn passwords(section: &Section<'_>) -> Option<PathBuf> {
    match section.text("type").as_deref() {
        None => None,
        Some("basic") => {
            let file = section.section("basic").text("passwordfile");
            if file.is_none() {
                section.problem("basic.passwordfile", "is missing: it names a file as 'htpasswd -B' writes it");
            }
            file.map(PathBuf::from)
        }
        Some(other) => {
            section.problem("type", format!("is '{other}', which does not exist; there is basic"));
            None
        }
    }
}

fn changes(section: &Section<'_>) -> Changes {
    let default = Changes::default();
    Changes {
        queue: section.number("eventQueueLength", default.queue, 1, 100_000),
        warn: section.duration("blockedWarnInterval", default.warn),
    }
}

/// `monitoring` when it is on; else `metrics`, its predecessor, which is on unless switched off.
fn monitoring(root: &Section<'_>) -> Option<Monitoring> {
    let (new, old) = (root.section("monitoring"), root.section("metrics"));
    let (section, path) = if new.flag("enabled", false) {
        (&new, new.text("metricsPath"))
    } else if old.flag("enabled", true) {
        (&old, old.text("path"))
    } else {
        return None;
    };
    let metrics_path = path.unwrap_or_else(|| "/metrics".into());
    if !metrics_path.starts_with('/') {
        section.problem("", format!("has the path '{metrics_path}', which must start with /"));
    }
    Some(Monitoring { listener: listener(section, 6000), metrics_path })
}

fn read_timeout(http: &Section<'_>) -> Duration {
    let default = Limits::default().read_timeout;
    let timeout = http.duration("readTimeout", default);
    if timeout.is_zero() {
        http.problem("readTimeout", "must be more than nothing, such as 15s");
        return default;
    }
    timeout
}

fn limits(section: &Section<'_>, histograms: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let listing = &mut limits.listing;
    listing.max_limit = section.number("maxFilterLimit", listing.max_limit, 1, 1_000_000);
    listing.max_skip = listing.max_limit;
    let default = listing.default_limit.min(listing.max_limit);
    listing.default_limit = section.number("defaultFilterLimit", default, 1, listing.max_limit);
    limits.request_timeout = section.duration("requestTimeout", limits.request_timeout);
    limits.request_max_timeout = section.duration("requestMaxTimeout", limits.request_max_timeout);
    limits.requests = section.number("maxRequests", limits.requests, 1, 1_000_000);
    limits.queries = section.number("maxQueries", limits.queries, 1, 1_000_000);
    limits.connections = section.number("maxConnections", limits.connections, 1, 1_000_000);
    let bodies = section.size("maxBodies", limits.bodies as u64);
    limits.bodies =
        usize::try_from(bodies).ok().filter(|bodies| (1 << 20..=1 << 40).contains(bodies)).unwrap_or_else(|| {
            section.problem("maxBodies", "must be from 1Mb to 1Tb");
            limits.bodies
        });
    limits.chart_rows = histograms.number("maxChartRows", limits.chart_rows, 1, 1_000_000);
    limits
}

fn cors(section: &Section<'_>) -> Option<Cors> {
    let default = Cors::default();
    section.flag("enabled", true).then(|| Cors {
        origins: section.texts("origins").unwrap_or(default.origins),
        methods: section.texts("methods").unwrap_or(default.methods),
        headers: section.texts("headers").unwrap_or(default.headers),
        credentials: section.flag("credentials", default.credentials),
        max_age: Duration::from_secs(section.number("maxAge", default.max_age.as_secs(), 0, 86_400)),
    })
}
