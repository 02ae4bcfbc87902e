//! Every key that a configuration file may have: FireFly's, and those of Photinus's own plug-ins. Data, no code.
//!
//! A key is *used*; or *ignored*: FireFly knows it, it has no meaning here, and a start lists it once; or *refused*: ignoring it
//! would be dangerous or misleading, so a file that switches it on does not start. What is not here is unknown.
//!
//! The names are those of FireFly core's configuration reference, version 1.4.

mod blocks;
mod plugins;
#[cfg(test)]
mod tests;

use blocks::{CLIENT_TLS, SERVER};
pub(crate) use plugins::EVM;

/// What is known of a key.
#[derive(Debug)]
pub(crate) enum Rule {
    /// A setting that changes something.
    Used,
    /// A setting, or a whole section, of FireFly's without a meaning here.
    Ignored,
    /// A setting or a section that must not be switched on, with the reason and the next step.
    Refused(&'static str),
    /// A setting whose inner form belongs to a plug-in.
    Free,
    /// A section, composed of blocks.
    Section(&'static [&'static [Key]]),
    /// A list of sections.
    List(&'static [&'static [Key]]),
}

/// A key in FireFly's spelling, with its rule.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) &'static str, pub(crate) Rule);

use Rule::{Free, Ignored, List, Refused, Section, Used};

const RETRY_DELAYS: &[Key] = &[Key("initDelay", Used), Key("maxDelay", Used), Key("factor", Used)];

/// The whole file.
pub(crate) const ROOT: &[&[Key]] = &[&[
    Key("admin", Section(&[SERVER, &[Key("enabled", Ignored), Key("preinit", Ignored)]])),
    Key("api", Section(&[API])),
    Key("asset", Ignored),
    Key("batch", Section(&[&[Key("manager", Section(&[BATCH_MANAGER])), Key("retry", Section(&[RETRY_DELAYS]))]])),
    Key("blobreceiver", Section(&[&[Key("retry", Section(&[IGNORED_RETRY])), Key("worker", Section(&[WORKER]))]])),
    Key("broadcast", Section(&[&[Key("batch", Section(&[BROADCAST_BATCH]))]])),
    Key("cache", Section(&[CACHE])),
    Key("config", Section(&[&[Key("autoReload", Used)]])),
    Key("cors", Section(&[CORS])),
    Key("debug", Section(&[SERVER])),
    Key("delivery", Section(&[DELIVERY])),
    Key(
        "download",
        Section(&[&[Key("retry", Section(&[DOWNLOAD_RETRY])), Key("worker", Section(&[DOWNLOAD_WORKER]))]]),
    ),
    Key("event", Section(&[EVENT])),
    Key("events", Section(&[EVENTS])),
    Key("histograms", Section(&[&[Key("maxChartRows", Used)]])),
    Key("http", Section(&[LISTENER, &[Key("readTimeout", Used)]])),
    Key("lang", Ignored),
    Key("limits", Section(&[LIMITS])),
    Key("log", Section(&[LOG])),
    Key(
        "message",
        // How much may wait is ours.
        Section(&[&[
            Key("writer", Section(&[WORKER])),
            Key("backlog", Section(&[&[Key("count", Used), Key("size", Used)]])),
        ]]),
    ),
    Key("metrics", Section(&[LISTENER, READ, &[Key("enabled", Used), Key("path", Used)]])),
    Key("monitoring", Section(&[LISTENER, READ, &[Key("enabled", Used), Key("metricsPath", Used)]])),
    Key("namespaces", Section(&[NAMESPACES])),
    Key("node", Section(&[&[Key("name", Used), Key("description", Used)]])),
    Key("opupdate", Section(&[&[Key("retry", Section(&[IGNORED_RETRY])), Key("worker", Section(&[WORKER]))]])),
    Key("orchestrator", Section(&[&[Key("startupAttempts", Ignored)]])),
    Key("org", Section(&[&[Key("name", Used), Key("description", Used), Key("key", Used)]])),
    Key("plugins", Section(&[plugins::ALL])),
    Key("privatemessaging", Section(&[PRIVATE_MESSAGING])),
    Key("spi", Section(&[LISTENER, READ, &[Key("enabled", Used), Key("ws", Section(&[SPI_WS]))]])),
    Key("subscription", Section(&[SUBSCRIPTION])),
    Key("transaction", Section(&[&[Key("writer", Section(&[WORKER, &[Key("batchMaxTransactions", Ignored)]]))]])),
    Key("ui", Section(&[&[Key("enabled", Ignored), Key("path", Ignored)]])),
]];

/// A listener of this node.
const LISTENER: &[Key] = &[
    Key("address", Used),
    Key("port", Used),
    Key("publicURL", Used),
    Key("writeTimeout", Ignored),
    Key("shutdownTimeout", Used),
    Key("auth", Section(&[&[Key("type", Used), Key("basic", Section(&[&[Key("passwordfile", Used)]]))]])),
    Key("tls", Section(&[LISTENER_TLS])),
    // Ours.
    Key("rateLimit", Section(&[&[Key("requestsPerSecond", Used), Key("burst", Used), Key("by", Used)]])),
];

/// What one key of `http` says for all listeners.
const READ: &[Key] = &[Key("readTimeout", Ignored)];

const LISTENER_TLS: &[Key] = &[
    Key("enabled", Used),
    Key("ca", Used),
    Key("caFile", Used),
    Key("cert", Used),
    Key("certFile", Used),
    Key("clientAuth", Used),
    Key("insecureSkipHostVerify", Ignored),
    Key("key", Used),
    Key("keyFile", Used),
    Key(
        "requiredDNAttributes",
        Refused("is not supported by this version; give the clients that may come an authority of their own (caFile)"),
    ),
];

const API: &[Key] = &[
    Key("defaultFilterLimit", Used),
    Key("maxFilterLimit", Used),
    Key("requestTimeout", Used),
    Key("requestMaxTimeout", Used),
    Key("dynamicPublicURLHeader", Used),
    Key("passthroughHeaders", Ignored),
    // Ours.
    Key("maxRequests", Used),
    Key("maxQueries", Used),
    Key("maxConnections", Used),
    Key("maxBodies", Used),
];

const BATCH_MANAGER: &[Key] =
    &[Key("readPageSize", Used), Key("pollTimeout", Ignored), Key("minimumPollDelay", Ignored)];

/// An idle processor sends at once and a busy one fills the next batch, so there is no time to wait for.
const BROADCAST_BATCH: &[Key] =
    &[Key("size", Used), Key("payloadLimit", Used), Key("agentTimeout", Used), Key("timeout", Ignored)];

const IGNORED_RETRY: &[Key] =
    &[Key("initDelay", Ignored), Key("initialDelay", Ignored), Key("maxDelay", Ignored), Key("factor", Ignored)];

/// Writers are one lane with group commit; there is nothing to tune.
const WORKER: &[Key] = &[
    Key("count", Ignored),
    Key("batchTimeout", Ignored),
    Key("batchMaxInserts", Ignored),
    Key("queueLength", Ignored),
];

const ENTRIES: &[Key] = &[Key("limit", Ignored), Key("ttl", Ignored)];
const BYTES: &[Key] = &[Key("size", Ignored), Key("ttl", Ignored)];

const CACHE: &[Key] = &[
    Key("enabled", Ignored),
    Key("addressresolver", Section(&[ENTRIES])),
    Key("batch", Section(&[ENTRIES])),
    Key("blockchain", Section(&[ENTRIES])),
    Key("blockchainevent", Section(&[ENTRIES])),
    Key("eventlistenertopic", Section(&[ENTRIES])),
    Key("group", Section(&[ENTRIES])),
    Key("identity", Section(&[&[Key("limit", Used), Key("ttl", Ignored)]])),
    Key("message", Section(&[BYTES])),
    Key("methods", Section(&[ENTRIES])),
    Key("operations", Section(&[ENTRIES])),
    Key("tokenpool", Section(&[ENTRIES])),
    Key("transaction", Section(&[BYTES])),
    Key("validator", Section(&[BYTES])),
];

const CORS: &[Key] = &[
    Key("enabled", Used),
    Key("origins", Used),
    Key("methods", Used),
    Key("headers", Used),
    Key("credentials", Used),
    Key("maxAge", Used),
    Key("debug", Ignored),
];

const DOWNLOAD_RETRY: &[Key] = &[
    Key("initialDelay", Used),
    Key("maxDelay", Used),
    Key("factor", Used),
    Key("maxAttempts", Ignored), // what a pin refers to is fetched until it is there
];
const DOWNLOAD_WORKER: &[Key] = &[Key("count", Used), Key("queueLength", Ignored)];

/// Deliveries to other members' nodes. Ours: FireFly leaves them to its data exchange.
const DELIVERY: &[Key] = &[
    Key("messages", Used),
    Key("blobs", Used),
    Key("queueLength", Used),
    Key("queueMemory", Used),
    Key("repairAfter", Used),
    Key("acknowledgementTimeout", Used),
    Key("retry", Section(&[&[Key("initialDelay", Used), Key("maxDelay", Used), Key("factor", Used)]])),
    Key("early", Section(&[EARLY])),
];

/// What other nodes may send ahead of what it belongs to.
const EARLY: &[Key] = &[
    Key("maxBatches", Used),
    Key("maxSize", Used),
    Key("maxFiles", Used),
    Key("maxFilesSize", Used),
    Key("expiry", Used),
];

/// What applications and peers may ask for. Ours.
const LIMITS: &[Key] = &[
    Key("maxBlob", Used),
    Key("maxBlobsPerPeer", Used),
    Key("maxDataPerMessage", Used),
    Key("maxSchema", Used),
    Key("maxWaiters", Used),
];

const EVENT: &[Key] = &[
    Key("aggregator", Section(&[AGGREGATOR])),
    Key("dbevents", Section(&[&[Key("bufferSize", Ignored)]])),
    Key("dispatcher", Section(&[DISPATCHER])),
    Key("transports", Section(&[&[Key("enabled", Used), Key("default", Used)]])),
];

/// The aggregator is woken by facts and reads no pages.
const AGGREGATOR: &[Key] = &[
    Key("batchSize", Ignored),
    Key("batchTimeout", Ignored),
    Key("firstEvent", Ignored),
    Key("pollTimeout", Ignored),
    Key("rewindQueryLimit", Ignored),
    Key("rewindQueueLength", Ignored),
    Key("rewindTimeout", Ignored),
    Key("retry", Section(&[IGNORED_RETRY])),
];
const DISPATCHER: &[Key] = &[
    Key("batchTimeout", Ignored),
    Key("bufferLength", Ignored),
    Key("pollTimeout", Ignored),
    Key("retry", Section(&[IGNORED_RETRY])),
];

const EVENTS: &[Key] = &[
    Key("system", Section(&[&[Key("readAhead", Ignored)]])),
    Key("webhooks", Section(&[WEBHOOKS])),
    Key("websockets", Section(&[&[Key("readBufferSize", Ignored), Key("writeBufferSize", Ignored)]])),
];

/// A client of applications. Its guard, its bounds of answers and of what is parked are ours.
const WEBHOOKS: &[Key] = &[
    Key("url", Used),
    Key("headers", Free),
    Key("auth", Section(&[&[Key("username", Used), Key("password", Used)]])),
    Key("proxy", Section(&[&[Key("url", Used)]])),
    Key("connectionTimeout", Used),
    Key("requestTimeout", Used),
    Key("idleTimeout", Used),
    Key("expectContinueTimeout", Ignored),
    Key("tlsHandshakeTimeout", Used),
    Key("maxIdleConns", Used),
    Key("maxIdleConnsPerHost", Ignored),
    Key("maxConnsPerHost", Ignored),
    Key("passthroughHeadersEnabled", Ignored),
    Key(
        "retry",
        Section(&[&[
            Key("enabled", Used),
            Key("count", Used),
            Key("factor", Used),
            Key("initWaitTime", Used),
            Key("maxWaitTime", Used),
            Key("errorStatusCodeRegex", Used),
        ]]),
    ),
    Key("throttle", Section(&[&[Key("requestsPerSecond", Used), Key("burst", Used)]])),
    Key("tls", Section(&[CLIENT_TLS])),
    Key("guard", Section(&[&[Key("allow", Used)]])),
    Key("maxResponseSize", Used),
    Key("maxParked", Used),
];

const LOG: &[Key] = &[
    Key("level", Used),
    Key("json", Section(&[&[Key("enabled", Used), Key("fields", Ignored)]])),
    Key("filename", Used),
    Key("forceColor", Used),
    Key("noColor", Used),
    Key("includeCodeInfo", Used),
    Key("compress", Ignored),
    Key("filesize", Ignored),
    Key("maxAge", Ignored),
    Key("maxBackups", Ignored),
    Key("timeFormat", Ignored),
    Key("utc", Ignored),
];

const NAMESPACES: &[Key] = &[
    Key("default", Used),
    Key("predefined", List(&[NAMESPACE])),
    Key("retry", Section(&[&[Key("initDelay", Used), Key("maxDelay", Used), Key("factor", Used)]])),
];

const NAMESPACE: &[Key] = &[
    Key("name", Used),
    Key("description", Used),
    Key("defaultKey", Used),
    Key("plugins", Used),
    Key("asset", Ignored),
    Key("multiparty", Section(&[MULTIPARTY])),
    Key("tlsConfigs", List(&[&[Key("name", Used), Key("tls", Section(&[CLIENT_TLS]))]])),
    Key("remoteName", Refused("was replaced in FireFly 1.1; write multiparty.networkNamespace")),
];

const MULTIPARTY: &[Key] = &[
    Key("enabled", Used),
    Key("networkNamespace", Used),
    Key("privateOrder", Used),
    Key("org", Section(&[&[Key("name", Used), Key("description", Used), Key("key", Used)]])),
    Key("node", Section(&[&[Key("name", Used), Key("description", Used)]])),
    Key("contract", List(&[&[Key("location", Free), Key("firstEvent", Used), Key("options", Ignored)]])),
];

const PRIVATE_MESSAGING: &[Key] = &[
    Key(
        "batch",
        Section(&[&[
            Key("size", Ignored),
            Key("payloadLimit", Ignored),
            Key("agentTimeout", Ignored),
            Key("timeout", Ignored),
        ]]),
    ),
    Key("retry", Section(&[IGNORED_RETRY])),
];

const SPI_WS: &[Key] = &[
    Key("blockedWarnInterval", Used),
    Key("eventQueueLength", Used),
    Key("readBufferSize", Ignored),
    Key("writeBufferSize", Ignored),
];

const SUBSCRIPTION: &[Key] = &[
    Key("max", Used),
    Key("defaults", Section(&[&[Key("batchSize", Used), Key("batchTimeout", Used)]])),
    Key("events", Section(&[&[Key("maxScanLength", Used)]])),
    Key("retry", Section(&[IGNORED_RETRY])),
];
