//! Counters of requests and messages, and how the namespaces do, in the text form of Prometheus. Names that begin with `ff_` are
//! FireFly's, the others are ours.

mod messages;
mod requests;

use std::time::SystemTime;

use parking_lot::Mutex;
use photinus_ports::{exchange::BlobTraffic, health::Health};
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

pub(crate) use self::requests::{Answered, Requests, size};

use crate::namespaces::{Namespaces, State};

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    /// Of applications.
    pub(crate) rest: Requests,
    /// Of administration.
    pub(crate) admin: Requests,
    /// Held while the gauges are set and read.
    gathering: Mutex<()>,
    /// Each of those below. What is not set again must not be shown.
    gauges: Vec<IntGaugeVec>,
    running: IntGaugeVec,
    parts: IntGaugeVec,
    faults: IntGaugeVec,
    waiters: IntGaugeVec,
    backlog: IntGaugeVec,
    backlog_bytes: IntGaugeVec,
    backlog_refused: IntGaugeVec,
    missing: IntGaugeVec,
    refusals: Refusals,
    behind: IntGaugeVec,
    without_repair: IntGaugeVec,
    refused: IntGaugeVec,
    early: IntGaugeVec,
    early_bytes: IntGaugeVec,
    early_expired: IntGaugeVec,
    queued: IntGaugeVec,
    alarms: IntGaugeVec,
    expires: IntGaugeVec,
    blob_bytes: IntGaugeVec,
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
        let registry = Registry::new();
        let mut gauges = Vec::new();
        let mut gauge = |name, help, labels: &[&str]| {
            let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            gauges.push(gauge.clone());
            Ok::<_, prometheus::Error>(gauge)
        };
        let refusals = Refusals(IntCounterVec::new(
            Opts::new("photinus_requests_refused_total", "Requests that were told to come back later"),
            &["reason"],
        )?);
        registry.register(Box::new(refusals.0.clone()))?;
        Ok(Self {
            rest: Requests::new(&registry, "rest")?,
            admin: Requests::new(&registry, "admin")?,
            gathering: Mutex::default(),
            refusals,
            behind: gauge(
                "photinus_exchange_peer_behind",
                "Messages and files that another node does not have yet",
                &["ns", "node"],
            )?,
            without_repair: gauge(
                "photinus_exchange_without_repair",
                "1 for a node of a group that serves nobody what was lost, with privateOrder ledger",
                &["ns", "node"],
            )?,
            refused: gauge("photinus_exchange_refused", "Deliveries of other nodes that were refused", &["ns"])?,
            early: gauge(
                "photinus_exchange_early",
                "Batches without a pin, and files without a message, that other nodes sent",
                &["ns", "what"],
            )?,
            early_bytes: gauge("photinus_exchange_early_bytes", "Bytes of them, about", &["ns", "what"])?,
            early_expired: gauge(
                "photinus_exchange_early_expired",
                "Batches and files that were thrown away because nothing came for them",
                &["ns"],
            )?,
            queued: gauge("photinus_aggregation_queued", "Facts of the ledger and contents that wait", &["ns"])?,
            alarms: gauge("photinus_aggregation_alarms", "What the order of the ledger wants looked at", &["ns"])?,
            expires: gauge(
                "ff_multiparty_node_identity_dx_expiry_epoch",
                "When this node's certificate towards other members expires, in seconds since 1970",
                &["ns"],
            )?,
            blob_bytes: gauge(
                "photinus_exchange_blob_bytes",
                "Bytes of files that the data exchange of the namespace has sent or received",
                &["ns", "direction"],
            )?,
            running: gauge("photinus_namespace_running", "1 when the namespace takes requests", &["ns"])?,
            parts: gauge("photinus_namespace_part_up", "1 when a part of the namespace answers", &["ns", "part"])?,
            faults: gauge("photinus_namespace_task_failures", "Times that a task failed", &["ns", "task"])?,
            backlog: gauge("photinus_backlog_messages", "Accepted messages that are not decided", &["ns"])?,
            backlog_bytes: gauge("photinus_backlog_bytes", "Bytes of accepted messages in no batch", &["ns"])?,
            backlog_refused: gauge("photinus_backlog_refused", "Messages refused for the backlog", &["ns"])?,
            missing: gauge("photinus_contents_missing", "Contents that shared storage should have", &["ns"])?,
            waiters: gauge("photinus_namespace_waiters", "Callers that wait for confirmations", &["ns"])?,
            gauges,
            registry,
        })
    }

    /// Counts a request that was refused.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refusals.count(refusal);
    }

    /// What counts refusals.
    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// Everything as text. Reads memory alone.
    pub(crate) fn text(&self, namespaces: &Namespaces) -> Result<String, prometheus::Error> {
        let _gathering = self.gathering.lock();
        let mut counted = Vec::new();
        for gauge in &self.gauges {
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
            self.missing.with_label_values(&[&name]).set(number(vitals.aggregation.fetches.missing));
            for fault in &vitals.faults {
                let failures = i64::try_from(fault.failures).unwrap_or(i64::MAX);
                self.faults.with_label_values(&[name.as_str(), &fault.name]).set(failures);
            }
            for (node, behind) in &vitals.behind {
                let behind = i64::try_from(*behind).unwrap_or(i64::MAX);
                self.behind.with_label_values(&[name.as_str(), &node.to_string()]).set(behind);
            }
            for node in &vitals.without_repair {
                self.without_repair.with_label_values(&[name.as_str(), &node.to_string()]).set(1);
            }
            let aggregation = &vitals.aggregation;
            self.queued.with_label_values(&[&name]).set(i64::try_from(aggregation.queued).unwrap_or(i64::MAX));
            self.alarms.with_label_values(&[&name]).set(i64::try_from(aggregation.alarms.len()).unwrap_or(i64::MAX));
            for (what, sum) in [("batches", aggregation.early.batches), ("files", aggregation.early.files)] {
                self.early.with_label_values(&[name.as_str(), what]).set(number(sum.count));
                let bytes = i64::try_from(sum.bytes).unwrap_or(i64::MAX);
                self.early_bytes.with_label_values(&[name.as_str(), what]).set(bytes);
            }
            let expired = i64::try_from(aggregation.early.expired).unwrap_or(i64::MAX);
            self.early_expired.with_label_values(&[&name]).set(expired);
            let expires = vitals.certificate.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
            if let Some(expires) = expires {
                self.expires.with_label_values(&[&name]).set(i64::try_from(expires.as_secs()).unwrap_or(i64::MAX));
            }
            let traffic =
                vitals.blob_traffic.map(|BlobTraffic { sent, received }| [("sent", sent), ("received", received)]);
            for (direction, bytes) in traffic.into_iter().flatten() {
                let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
                self.blob_bytes.with_label_values(&[name.as_str(), direction]).set(bytes);
            }
            self.refused.with_label_values(&[&name]).set(i64::try_from(vitals.refused).unwrap_or(i64::MAX));
            self.waiters.with_label_values(&[&name]).set(i64::try_from(vitals.waiters).unwrap_or(i64::MAX));
            counted.push((name, vitals.counts));
        }
        let mut text = TextEncoder::new().encode_to_string(&self.registry.gather())?;
        messages::write(&counted, &mut text).map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        Ok(text)
    }
}
