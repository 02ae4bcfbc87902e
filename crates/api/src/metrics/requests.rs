//! Counters of requests, under the names that FireFly gives them.
//!
//! FireFly has a label for the `Host` that a request names, too. It is left out: whoever calls could make any number of series.

use std::time::Duration;

use http::HeaderMap;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

const LABELS: [&str; 3] = ["code", "method", "route"];

/// The requests of one listener.
pub(crate) struct Requests {
    total: IntCounterVec,
    durations: HistogramVec,
    request_bytes: Bytes,
    response_bytes: Bytes,
}

/// A summary without quantiles: how many, and how much together.
struct Bytes {
    count: IntCounterVec,
    sum: IntCounterVec,
}

impl Bytes {
    fn new(registry: &Registry, name: &str, help: &str) -> Result<Self, prometheus::Error> {
        let part = |part: &str| IntCounterVec::new(Opts::new(format!("{name}_{part}"), help), &LABELS);
        let bytes = Self { count: part("count")?, sum: part("sum")? };
        registry.register(Box::new(bytes.count.clone()))?;
        registry.register(Box::new(bytes.sum.clone()))?;
        Ok(bytes)
    }

    fn add(&self, labels: &[&str; 3], bytes: u64) {
        self.count.with_label_values(labels).inc();
        self.sum.with_label_values(labels).inc_by(bytes);
    }
}

/// A request that was answered.
pub(crate) struct Answered<'a> {
    /// The route's path with its variables; empty for requests that match none, so that strangers cannot make labels.
    pub(crate) route: &'a str,
    pub(crate) method: &'a str,
    pub(crate) code: u16,
    pub(crate) took: Duration,
    /// Bytes of the request, roughly.
    pub(crate) received: u64,
    /// Bytes of the answer's body, as far as they are known.
    pub(crate) sent: u64,
}

impl Requests {
    /// For a listener by FireFly's word for it.
    pub(super) fn new(registry: &Registry, listener: &str) -> Result<Self, prometheus::Error> {
        let name = |name: &str| format!("ff_apiserver_{listener}_{name}");
        let requests = Self {
            total: IntCounterVec::new(Opts::new(name("requests_total"), "Requests answered"), &LABELS)?,
            durations: HistogramVec::new(
                HistogramOpts::new(name("request_duration_seconds"), "Time until a request was answered"),
                &LABELS,
            )?,
            request_bytes: Bytes::new(registry, &name("request_size_bytes"), "Bytes of requests, roughly")?,
            response_bytes: Bytes::new(registry, &name("response_size_bytes"), "Bytes of the bodies of answers")?,
        };
        registry.register(Box::new(requests.total.clone()))?;
        registry.register(Box::new(requests.durations.clone()))?;
        Ok(requests)
    }

    /// Counts a request.
    pub(crate) fn answered(&self, request: &Answered<'_>) {
        let method = if request.route.is_empty() { "" } else { request.method };
        let code = request.code.to_string();
        let labels = [code.as_str(), method, request.route];
        self.total.with_label_values(&labels).inc();
        self.durations.with_label_values(&labels).observe(request.took.as_secs_f64());
        self.request_bytes.add(&labels, request.received);
        self.response_bytes.add(&labels, request.sent);
    }
}

/// Bytes of a request: its first line, its headers, and the body that it announces.
pub(crate) fn size(method: &str, path: &str, headers: &HeaderMap) -> u64 {
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
    let body = headers.get(http::header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let head = u64::try_from(method.len() + path.len() + head + "HTTP/1.1    ".len()).unwrap_or(u64::MAX);
    head.saturating_add(body.unwrap_or_default())
}
