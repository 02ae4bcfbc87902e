//! Sizes and times that every namespace shares.

use std::time::Duration;

use photinus_engine::options::{Batching, Caches, Delivery, Download, Early, Limits, Retry, Subscriptions};

use super::section::Section;

/// Sizes and times that every namespace shares. Where the file says nothing, the engine's own defaults hold.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// `broadcast.batch`, `batch.manager`
    pub batching: Batching,
    /// `batch.retry`
    pub retry: Retry,
    /// `download`
    pub download: Download,
    /// `delivery`
    pub delivery: Delivery,
    /// `limits`, `message.backlog`
    pub limits: Limits,
    /// `subscription`
    pub subscriptions: Subscriptions,
    /// `cache`
    pub caches: Caches,
    /// `event.transports.enabled`: the transports that subscriptions may name.
    pub transports: Vec<String>,
    /// `namespaces.retry`: waits between attempts at starting a namespace. 5 s, doubled up to 1 min.
    pub start_retry: Retry,
}

/// What this version delivers events through.
const TRANSPORTS: [&str; 2] = ["websockets", "webhooks"];

/// What FireFly would deliver events through, besides.
const ABSENT_TRANSPORTS: [&str; 1] = ["system"];

pub(super) fn read(root: &Section<'_>) -> Tuning {
    let start = Retry { initial: Duration::from_secs(5), maximum: Duration::from_secs(60), factor: 2.0 };
    Tuning {
        batching: batching(root),
        retry: retry(&root.section("batch").section("retry"), "initDelay", Retry::default()),
        download: download(&root.section("download")),
        delivery: delivery(&root.section("delivery")),
        limits: limits(&root.section("limits"), &root.section("message").section("backlog")),
        subscriptions: subscriptions(&root.section("subscription"), &root.section("event").section("transports")),
        caches: Caches {
            identities: root.section("cache").section("identity").number(
                "limit",
                Caches::default().identities,
                1,
                10_000_000,
            ),
            ..Caches::default()
        },
        transports: transports(&root.section("event").section("transports")),
        start_retry: retry(&root.section("namespaces").section("retry"), "initDelay", start),
    }
}

fn batching(root: &Section<'_>) -> Batching {
    let batch = root.section("broadcast").section("batch");
    let default = Batching::default();
    Batching {
        size: batch.number("size", default.size, 1, 10_000),
        payload_limit: {
            let limit = batch.size("payloadLimit", default.payload_limit as u64);
            usize::try_from(limit).ok().filter(|limit| (1_024..=64 << 20).contains(limit)).unwrap_or_else(|| {
                batch.problem("payloadLimit", "must be from 1Kb to 64Mb");
                default.payload_limit
            })
        },
        idle: batch.duration("agentTimeout", default.idle),
        page: root.section("batch").section("manager").number("readPageSize", default.page, 1, 100_000),
        ..default
    }
}

fn download(section: &Section<'_>) -> Download {
    let default = Download::default();
    Download {
        parallel: section.section("worker").number("count", default.parallel, 1, 1_000),
        retry: retry(&section.section("retry"), "initialDelay", default.retry),
    }
}

fn delivery(section: &Section<'_>) -> Delivery {
    let default = Delivery::default();
    Delivery {
        messages: section.number("messages", default.messages, 1, 1_000),
        blobs: section.number("blobs", default.blobs, 1, 1_000),
        queue: section.number("queueLength", default.queue, 1, 1_000_000),
        memory: size(section, "queueMemory", default.memory, 1 << 32),
        repair: section.duration("repairAfter", default.repair),
        acknowledgement: section.duration("acknowledgementTimeout", default.acknowledgement),
        retry: retry(&section.section("retry"), "initialDelay", default.retry),
        early: early(&section.section("early")),
    }
}

fn early(section: &Section<'_>) -> Early {
    let default = Early::default();
    Early {
        batches: section.number("maxBatches", default.batches, 1, 1_000_000),
        size: section.size("maxSize", default.size),
        files: section.number("maxFiles", default.files, 1, 1_000_000),
        files_size: section.size("maxFilesSize", default.files_size),
        expiry: section.duration("expiry", default.expiry).max(Duration::from_millis(1)),
    }
}

fn limits(section: &Section<'_>, backlog: &Section<'_>) -> Limits {
    let default = Limits::default();
    let backlog_size = backlog.size("size", default.backlog_size as u64);
    let backlog_size =
        usize::try_from(backlog_size).ok().filter(|size| (1 << 20..=1 << 40).contains(size)).unwrap_or_else(|| {
            backlog.problem("size", "must be from 1Mb to 1Tb");
            default.backlog_size
        });
    Limits {
        blob_size: section.size("maxBlob", default.blob_size),
        blobs_per_peer: section.size("maxBlobsPerPeer", default.blobs_per_peer),
        data_per_message: section.number("maxDataPerMessage", default.data_per_message, 1, 100_000),
        schema_size: size(section, "maxSchema", default.schema_size, 64 << 20),
        waiters: section.number("maxWaiters", default.waiters, 1, 1_000_000),
        backlog: backlog.number("count", default.backlog, 1, 10_000_000),
        backlog_size,
    }
}

/// A number of bytes, of which the memory has so many at most.
fn size(section: &Section<'_>, key: &str, default: usize, most: u64) -> usize {
    let bytes = section.size(key, default as u64);
    usize::try_from(bytes).ok().filter(|_| bytes <= most).unwrap_or_else(|| {
        section.problem(key, format!("must be at most {}Kb", most / 1024));
        default
    })
}

fn subscriptions(section: &Section<'_>, transports: &Section<'_>) -> Subscriptions {
    let default = Subscriptions::default();
    let defaults = section.section("defaults");
    Subscriptions {
        transport: transports.text("default").unwrap_or(default.transport),
        max: section.number("max", default.max, 0, 1_000_000),
        batch_size: defaults.number("batchSize", default.batch_size, 1, u16::MAX),
        batch_timeout: defaults.duration("batchTimeout", default.batch_timeout),
        max_scan: section.section("events").number("maxScanLength", default.max_scan, 1, 1_000_000),
        ..default
    }
}

fn retry(section: &Section<'_>, initial: &str, default: Retry) -> Retry {
    let least = Duration::from_millis(1);
    let retry = Retry {
        initial: section.duration(initial, default.initial).max(least),
        maximum: section.duration("maxDelay", default.maximum).max(least),
        factor: section.number("factor", default.factor, 1.0, 100.0),
    };
    if retry.maximum < retry.initial {
        section.problem("maxDelay", format!("cannot be shorter than {initial}"));
    }
    retry
}

fn transports(section: &Section<'_>) -> Vec<String> {
    let enabled = section.texts("enabled").unwrap_or_else(|| TRANSPORTS.map(str::to_owned).to_vec());
    for name in &enabled {
        if !TRANSPORTS.contains(&name.as_str()) && !ABSENT_TRANSPORTS.contains(&name.as_str()) {
            section.problem(
                "enabled",
                format!("names the transport '{name}', which does not exist; there are websockets and webhooks"),
            );
        }
    }
    let default = section.text("default").unwrap_or_else(|| TRANSPORTS[0].into());
    if !TRANSPORTS.contains(&default.as_str()) {
        section.problem("default", format!("cannot be '{default}'; write websockets or webhooks"));
    }
    enabled.into_iter().filter(|name| TRANSPORTS.contains(&name.as_str())).collect()
}
