//! The plug-ins: FireFly's, not all of which this version speaks to, and Photinus's own.

use super::{
    Key,
    Rule::{Ignored, List, Refused, Section, Used},
    blocks::{HTTP_CLIENT, IGNORED_RETRY, REMOTE, WS_CLIENT},
};

/// `plugins.<category>[]`.
pub(super) const ALL: &[Key] = &[
    Key("auth", List(&[NAME_AND_TYPE, &[Key("basic", Section(&[&[Key("passwordfile", Used)]]))]])),
    Key("blockchain", List(&[NAME_AND_TYPE, BLOCKCHAIN])),
    Key("database", List(&[NAME_AND_TYPE, DATABASE])),
    Key("dataexchange", List(&[NAME_AND_TYPE, DATA_EXCHANGE])),
    Key("identity", List(&[&[Key("name", Ignored), Key("type", Ignored), Key("onchain", Ignored)]])),
    Key("sharedstorage", List(&[NAME_AND_TYPE, SHARED_STORAGE])),
    Key("tokens", Refused("are not supported by this version; remove the section")),
];

const NAME_AND_TYPE: &[Key] = &[Key("name", Used), Key("type", Used)];

/// The type `evm` speaks JSON-RPC to the chain itself. The others are FireFly's connectors; their types are refused when the
/// plug-in is read, with more to say than a key could.
const BLOCKCHAIN: &[Key] = &[
    Key("evm", Section(&[EVM])),
    Key(
        "ethereum",
        Section(&[&[
            Key(
                "ethconnect",
                Section(&[HTTP_CLIENT, WS_CLIENT, CONNECTOR, &[Key("instance", Ignored), Key("fromBlock", Ignored)]]),
            ),
            Key("addressResolver", Section(&[HTTP_CLIENT, ADDRESS_RESOLVER])),
            Key("fftm", Section(&[HTTP_CLIENT])),
        ]]),
    ),
    Key("fabric", Section(&[&[Key("fabconnect", Section(&[HTTP_CLIENT, WS_CLIENT, CONNECTOR, FABRIC]))]])),
    Key(
        "tezos",
        Section(&[&[
            Key("tezosconnect", Section(&[HTTP_CLIENT, WS_CLIENT, CONNECTOR])),
            Key("addressResolver", Section(&[HTTP_CLIENT, ADDRESS_RESOLVER])),
        ]]),
    ),
    Key("cardano", Section(&[&[Key("cardanoconnect", Section(&[HTTP_CLIENT, WS_CLIENT, CONNECTOR]))]])),
];

const CONNECTOR: &[Key] = &[
    Key("topic", Ignored),
    Key("batchSize", Ignored),
    Key("batchTimeout", Ignored),
    Key("prefixShort", Ignored),
    Key("prefixLong", Ignored),
];
const FABRIC: &[Key] = &[Key("chaincode", Ignored), Key("channel", Ignored), Key("signer", Ignored)];
const ADDRESS_RESOLVER: &[Key] = &[
    Key("alwaysResolve", Ignored),
    Key("bodyTemplate", Ignored),
    Key("method", Ignored),
    Key("responseField", Ignored),
    Key("retainOriginal", Ignored),
    Key("urlTemplate", Ignored),
];

/// The options of the ledger adapter; a test compares them with its type.
pub(crate) const EVM: &[Key] = &[
    Key("url", Used),
    Key("wsUrl", Used),
    Key("chainId", Used),
    Key("confirmations", Used),
    Key("keys", Section(&[EVM_KEYS])),
    Key("fees", Section(&[EVM_FEES])),
    Key("gas", Section(&[&[Key("limit", Used), Key("estimatePercent", Used)]])),
    Key("pollInterval", Used),
    Key("heartbeatInterval", Used),
    Key("checkInterval", Used),
    Key("staleAfter", Used),
    Key("maxInFlight", Used),
    Key("maxRpcBatch", Used),
    Key("maxBlockRange", Used),
    Key("reorgDepth", Used),
    Key("remembered", Used),
    Key("connectTimeout", Used),
    Key("requestTimeout", Used),
    Key("minBackoff", Used),
    Key("maxBackoff", Used),
];
const EVM_KEYS: &[Key] = &[
    Key("mnemonic", Section(&[&[Key("phrase", Used), Key("first", Used), Key("count", Used)]])),
    Key("files", Used),
    Key("keystores", List(&[&[Key("file", Used), Key("passwordFile", Used)]])),
    Key("inline", Used),
];
const EVM_FEES: &[Key] = &[
    Key("mode", Used),
    Key("maxPerGas", Used),
    Key("refresh", Used),
    Key("replaceAfterBlocks", Used),
    Key("replaceAfter", Used),
    Key("raisePercent", Used),
];

const DATABASE: &[Key] = &[
    Key("postgres", Section(&[&[Key("url", Used), Key("maxConns", Used)], DATABASE_IGNORED])),
    Key("sqlite3", Section(&[&[Key("url", Used), Key("maxConns", Ignored)], DATABASE_IGNORED])),
];
/// The schema is part of the program and brought up to date at every start.
const DATABASE_IGNORED: &[Key] = &[
    Key("maxIdleConns", Ignored),
    Key("maxConnIdleTime", Ignored),
    Key("maxConnLifetime", Ignored),
    Key("migrations", Section(&[&[Key("auto", Ignored), Key("directory", Ignored)]])),
];

const DATA_EXCHANGE: &[Key] = &[Key("https", Section(&[HTTPS])), Key("ffdx", Section(&[REMOTE, FFDX]))];

const FFDX: &[Key] = &[
    Key("initEnabled", Used),
    Key("manifestEnabled", Used),
    Key("maxMessage", Used),
    Key("maxBlob", Used),
    // Waits before it is connected to anew.
    Key(
        "retry",
        Section(&[&[
            Key("enabled", Ignored),
            Key("count", Ignored),
            Key("factor", Used),
            Key("initWaitTime", Used),
            Key("maxWaitTime", Used),
            Key("errorStatusCodeRegex", Ignored),
        ]]),
    ),
    Key(
        "ws",
        Section(&[&[
            Key("path", Used),
            Key("url", Used),
            Key("heartbeatInterval", Used),
            Key("initialConnectAttempts", Ignored),
            Key("backgroundConnect", Ignored),
            Key("connectionTimeout", Ignored),
            Key("readBufferSize", Ignored),
            Key("writeBufferSize", Ignored),
        ]]),
    ),
    // It is connected to in the background, for as long as it takes.
    Key(
        "backgroundStart",
        Section(&[&[
            Key("enabled", Ignored),
            Key("initialDelay", Ignored),
            Key("maxDelay", Ignored),
            Key("factor", Ignored),
        ]]),
    ),
    Key("eventRetry", Section(&[&[Key("initialDelay", Used), Key("maxDelay", Used), Key("factor", Used)]])),
];

const HTTPS: &[Key] = &[
    Key("directory", Used),
    Key("address", Used),
    Key("port", Used),
    Key("endpoint", Used),
    Key("id", Used),
    Key("certFile", Used),
    Key("keyFile", Used),
    Key("caFile", Used),
    Key("nextCertFile", Used),
    Key("maxMessage", Used),
    Key("maxBlob", Used),
    Key("peers", List(&[&[Key("endpoint", Used), Key("fingerprint", Used)]])),
];

const SHARED_STORAGE: &[Key] = &[
    Key("embedded", Section(&[&[Key("directory", Used), Key("downloadTimeout", Used)]])),
    Key(
        "ipfs",
        Section(&[&[
            Key("api", Section(&[REMOTE, IGNORED_RETRY])),
            Key("gateway", Section(&[REMOTE, IGNORED_RETRY])),
            Key("directory", Used),
            Key("downloadTimeout", Used),
        ]]),
    ),
];
