//! Blocks that FireFly repeats in many sections.

use super::{
    Key,
    Rule::{Free, Ignored, Refused, Section, Used},
};

/// Certificates of a client, or of a server that is not one of this node's listeners.
pub(super) const TLS: &[Key] = &[
    Key("enabled", Ignored),
    Key("ca", Ignored),
    Key("caFile", Ignored),
    Key("cert", Ignored),
    Key("certFile", Ignored),
    Key("clientAuth", Ignored),
    Key("insecureSkipHostVerify", Ignored),
    Key("key", Ignored),
    Key("keyFile", Ignored),
    Key("requiredDNAttributes", Ignored),
];

/// Certificates of a client that calls applications.
pub(super) const CLIENT_TLS: &[Key] = &[
    Key("enabled", Used),
    Key("ca", Used),
    Key("caFile", Used),
    Key("cert", Used),
    Key("certFile", Used),
    Key("clientAuth", Ignored),
    Key("insecureSkipHostVerify", Used),
    Key("key", Used),
    Key("keyFile", Used),
    Key(
        "requiredDNAttributes",
        Refused("is not supported for calls of applications; trust an authority of their own by caFile instead"),
    ),
];

/// A server that this node does not run.
pub(super) const SERVER: &[Key] = &[
    Key("address", Ignored),
    Key("port", Ignored),
    Key("publicURL", Ignored),
    Key("readTimeout", Ignored),
    Key("writeTimeout", Ignored),
    Key("shutdownTimeout", Ignored),
    Key("auth", Ignored),
    Key("tls", Section(&[TLS])),
];

/// An HTTP client of a process beside this node. What fails is tried again by whoever asked.
pub(super) const REMOTE: &[Key] = &[
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
    Key("throttle", Section(&[&[Key("requestsPerSecond", Ignored), Key("burst", Ignored)]])),
    Key("tls", Section(&[CLIENT_TLS])),
];

/// Repeated requests, which whoever asked repeats.
pub(super) const IGNORED_RETRY: &[Key] = &[Key(
    "retry",
    Section(&[&[
        Key("enabled", Ignored),
        Key("count", Ignored),
        Key("factor", Ignored),
        Key("initWaitTime", Ignored),
        Key("maxWaitTime", Ignored),
        Key("errorStatusCodeRegex", Ignored),
    ]]),
)];

/// An HTTP client of a process that this version does not speak to.
pub(super) const HTTP_CLIENT: &[Key] = &[
    Key("url", Ignored),
    Key("headers", Ignored),
    Key("auth", Section(&[&[Key("username", Ignored), Key("password", Ignored)]])),
    Key("proxy", Section(&[&[Key("url", Ignored)]])),
    Key("connectionTimeout", Ignored),
    Key("requestTimeout", Ignored),
    Key("idleTimeout", Ignored),
    Key("expectContinueTimeout", Ignored),
    Key("tlsHandshakeTimeout", Ignored),
    Key("maxIdleConns", Ignored),
    Key("maxIdleConnsPerHost", Ignored),
    Key("maxConnsPerHost", Ignored),
    Key("passthroughHeadersEnabled", Ignored),
    Key(
        "retry",
        Section(&[&[
            Key("enabled", Ignored),
            Key("count", Ignored),
            Key("factor", Ignored),
            Key("initWaitTime", Ignored),
            Key("maxWaitTime", Ignored),
            Key("errorStatusCodeRegex", Ignored),
        ]]),
    ),
    Key("throttle", Section(&[&[Key("requestsPerSecond", Ignored), Key("burst", Ignored)]])),
    Key("tls", Section(&[TLS])),
];

/// What a WebSocket client adds.
pub(super) const WS_CLIENT: &[Key] = &[
    Key(
        "ws",
        Section(&[&[
            Key("path", Ignored),
            Key("url", Ignored),
            Key("heartbeatInterval", Ignored),
            Key("initialConnectAttempts", Ignored),
            Key("backgroundConnect", Ignored),
            Key("connectionTimeout", Ignored),
            Key("readBufferSize", Ignored),
            Key("writeBufferSize", Ignored),
        ]]),
    ),
    Key("backgroundStart", Section(&[DELAYS, &[Key("enabled", Ignored)]])),
    Key("eventRetry", Section(&[DELAYS])),
];

const DELAYS: &[Key] = &[Key("initialDelay", Ignored), Key("maxDelay", Ignored), Key("factor", Ignored)];
