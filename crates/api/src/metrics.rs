//! Counters of requests, and how the namespaces do, in the text form of Prometheus.

use std::time::{Duration, SystemTime};

use photinus_ports::health::Health;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::namespaces::{Namespaces, State};

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    broadcasts: IntCounterVec,
    privates: IntCounterVec,
    running: IntGaugeVec,
    parts: IntGaugeVec,
    faults: IntGaugeVec,
    waiters: IntGaugeVec,
    backlog: IntGaugeVec,
    backlog_bytes: IntGaugeVec,
    backlog_refused: IntGaugeVec,
    refusals: Refusals,
    behind: IntGaugeVec,
    refused: IntGaugeVec,
    queued: IntGaugeVec,
    alarms: IntGaugeVec,
    expires: IntGaugeVec,
}

/// Why a request was refused before anybody looked at it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// Its client was too fast.
    Rate,
    /// Too many requests at once.
    Requests,
    /// Too many queries at once.
    Queries,
    /// Too many bytes of bodies at once.
    Bodies,
}

/// Counts refusals. A cheap handle.
#[derive(Clone)]
pub(crate) struct Refusals(IntCounterVec);

impl Refusals {
    pub(crate) fn count(&self, refusal: Refusal) {
        let reason = match refusal {
            Refusal::Rate => "rate",
            Refusal::Requests => "requests",
            Refusal::Queries => "queries",
            Refusal::Bodies => "bodies",
        };
        self.0.with_label_values(&[reason]).inc();
    }
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name, help, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new("ff_apiserver_rest_requests_total", "Requests answered"),
                &["route", "method", "code"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new("ff_apiserver_rest_request_duration_seconds", "Time until a request was answered"),
                &["route", "method"],
            )?,
            broadcasts: IntCounterVec::new(
                Opts::new("ff_broadcast_submitted_total", "Broadcasts taken from applications"),
                &["ns"],
            )?,
            privates: IntCounterVec::new(
                Opts::new("ff_private_msg_submitted_total", "Private messages taken from applications"),
                &["ns"],
            )?,
            behind: gauge(
                "photinus_exchange_peer_behind",
                "Messages and files that another node does not have yet",
                &["ns", "node"],
            )?,
            refused: gauge("photinus_exchange_refused", "Deliveries of other nodes that were refused", &["ns"])?,
            queued: gauge("photinus_aggregation_queued", "Facts of the ledger and contents that wait", &["ns"])?,
            alarms: gauge("photinus_aggregation_alarms", "What the order of the ledger wants looked at", &["ns"])?,
            expires: gauge(
                "ff_multiparty_node_identity_dx_expiry_epoch",
                "When this node's certificate towards other members expires, in seconds since 1970",
                &["ns"],
            )?,
            running: gauge("photinus_namespace_running", "1 when the namespace takes requests", &["ns"])?,
            parts: gauge("photinus_namespace_part_up", "1 when a part of the namespace answers", &["ns", "part"])?,
            faults: gauge("photinus_namespace_task_failures", "Times that a task failed", &["ns", "task"])?,
            refusals: Refusals(IntCounterVec::new(
                Opts::new("photinus_requests_refused_total", "Requests that were told to come back later"),
                &["reason"],
            )?),
            backlog: gauge("photinus_backlog_messages", "Accepted messages that are not decided", &["ns"])?,
            backlog_bytes: gauge("photinus_backlog_bytes", "Bytes of accepted messages in no batch", &["ns"])?,
            backlog_refused: gauge("photinus_backlog_refused", "Messages refused for the backlog", &["ns"])?,
            waiters: gauge("photinus_namespace_waiters", "Callers that wait for confirmations", &["ns"])?,
        };
        metrics.registry.register(Box::new(metrics.requests.clone()))?;
        metrics.registry.register(Box::new(metrics.durations.clone()))?;
        metrics.registry.register(Box::new(metrics.broadcasts.clone()))?;
        metrics.registry.register(Box::new(metrics.privates.clone()))?;
        metrics.registry.register(Box::new(metrics.refusals.0.clone()))?;
        for gauge in metrics.gauges() {
            metrics.registry.register(Box::new(gauge.clone()))?;
        }
        Ok(metrics)
    }

    /// Counts a request. `route` is empty for requests that match none, so that strangers cannot make labels.
    pub(crate) fn request(&self, route: &str, method: &str, code: u16, took: Duration) {
        let method = if route.is_empty() { "" } else { method };
        self.requests.with_label_values(&[route, method, &code.to_string()]).inc();
        self.durations.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    fn gauges(&self) -> [&IntGaugeVec; 12] {
        let Self { running, parts, faults, waiters, behind, refused, .. } = self;
        let Self { backlog, backlog_bytes, backlog_refused, queued, alarms, expires, .. } = self;
        [
            running,
            parts,
            faults,
            waiters,
            behind,
            refused,
            backlog,
            backlog_bytes,
            backlog_refused,
            queued,
            alarms,
            expires,
        ]
    }

    /// Counts a request that was refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refusals.count(refusal);
    }

    /// What counts refusals.
    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// Counts a private message.
    pub(crate) fn private(&self, namespace: &str) {
        self.privates.with_label_values(&[namespace]).inc();
    }

    /// Counts a broadcast.
    pub(crate) fn broadcast(&self, namespace: &str) {
        self.broadcasts.with_label_values(&[namespace]).inc();
    }

    /// Everything as text. Reads memory alone.
    pub(crate) fn text(&self, namespaces: &Namespaces) -> Result<Vec<u8>, prometheus::Error> {
        for gauge in self.gauges() {
            gauge.reset();
        }
        for (name, state) in namespaces.all() {
            let State::Running(namespace) = state else {
                self.running.with_label_values(&[&name]).set(0);
                continue;
            };
            self.running.with_label_values(&[&name]).set(1);
            let vitals = namespace.vitals();
            let parts = [
                ("blockchain", &vitals.blockchain),
                ("sharedstorage", &vitals.storage),
                ("dataexchange", &vitals.exchange),
            ];
            for (part, health) in parts.into_iter().filter(|_| namespace.is_multiparty()) {
                self.parts.with_label_values(&[name.as_str(), part]).set(i64::from(*health == Health::Up));
            }
            self.parts.with_label_values(&[name.as_str(), "database"]).set(i64::from(vitals.database.is_none()));
            let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.backlog.with_label_values(&[&name]).set(number(vitals.backlog.messages));
            self.backlog_bytes.with_label_values(&[&name]).set(number(vitals.backlog.bytes));
            let refused = i64::try_from(vitals.backlog.refused).unwrap_or(i64::MAX);
            self.backlog_refused.with_label_values(&[&name]).set(refused);
            for fault in &vitals.faults {
                let failures = i64::try_from(fault.failures).unwrap_or(i64::MAX);
                self.faults.with_label_values(&[name.as_str(), &fault.name]).set(failures);
            }
            for (node, behind) in &vitals.behind {
                let behind = i64::try_from(*behind).unwrap_or(i64::MAX);
                self.behind.with_label_values(&[name.as_str(), &node.to_string()]).set(behind);
            }
            let aggregation = &vitals.aggregation;
            self.queued.with_label_values(&[&name]).set(i64::try_from(aggregation.queued).unwrap_or(i64::MAX));
            self.alarms.with_label_values(&[&name]).set(i64::try_from(aggregation.alarms.len()).unwrap_or(i64::MAX));
            let expires = vitals.certificate.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            if let Some(expires) = expires {
                self.expires.with_label_values(&[&name]).set(i64::try_from(expires.as_secs()).unwrap_or(i64::MAX));
            }
            self.refused.with_label_values(&[&name]).set(i64::try_from(vitals.refused).unwrap_or(i64::MAX));
            self.waiters.with_label_values(&[&name]).set(i64::try_from(vitals.waiters).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
