-- The first schema. Every table begins with the number of the namespace (ns) and the local order (seq).
-- Times are nanoseconds since 1970; lists are joined with commas; JSON is canonical text.
-- UUIDs are 16 bytes, hashes 32.

CREATE TABLE namespaces (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    networkname TEXT,
    description TEXT,
    created INTEGER
);
CREATE UNIQUE INDEX namespaces_name ON namespaces (name);

CREATE TABLE messages (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    cid BLOB,
    "type" TEXT NOT NULL,
    txtype TEXT NOT NULL,
    author TEXT NOT NULL,
    "key" TEXT NOT NULL,
    created INTEGER,
    namespace TEXT NOT NULL,
    "group" BLOB,
    topics TEXT NOT NULL,
    tag TEXT NOT NULL,
    datahash BLOB,
    txparent_type TEXT,
    txparent_id BLOB,
    "hash" BLOB,
    batch BLOB,
    txid BLOB,
    state TEXT,
    confirmed INTEGER,
    rejectreason TEXT NOT NULL,
    data BLOB NOT NULL,
    pins TEXT NOT NULL,
    idempotencykey TEXT
);
CREATE UNIQUE INDEX messages_id ON messages (ns, id, "hash");
CREATE UNIQUE INDEX messages_idempotencykey ON messages (ns, idempotencykey) WHERE idempotencykey IS NOT NULL;
CREATE INDEX messages_order ON messages (ns, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq);
CREATE INDEX messages_ready ON messages (ns, seq) WHERE state = 'ready';
CREATE INDEX messages_ready_of ON messages (ns, author, seq) WHERE state = 'ready';
CREATE INDEX messages_batch ON messages (ns, batch) WHERE batch IS NOT NULL;
CREATE INDEX messages_cid ON messages (ns, cid) WHERE cid IS NOT NULL;
CREATE INDEX messages_group ON messages (ns, "group", seq) WHERE "group" IS NOT NULL;
CREATE INDEX messages_tag ON messages (ns, tag, seq) WHERE tag <> '';

CREATE TABLE message_data (
    ns INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (ns, data, seq)
) WITHOUT ROWID;

CREATE TABLE data (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    validator TEXT NOT NULL,
    "hash" BLOB,
    created INTEGER,
    datatype_name TEXT,
    datatype_version TEXT,
    "value" TEXT,
    public TEXT NOT NULL,
    blob_hash BLOB,
    blob_size INTEGER,
    blob_name TEXT NOT NULL,
    blob_path TEXT NOT NULL,
    blob_public TEXT NOT NULL
);
CREATE UNIQUE INDEX data_id ON data (ns, id, "hash");
CREATE INDEX data_order ON data (ns, seq);
CREATE INDEX data_blob ON data (ns, blob_hash) WHERE blob_hash IS NOT NULL;
CREATE INDEX data_datatype ON data (ns, datatype_name, datatype_version, seq) WHERE datatype_name IS NOT NULL;

CREATE TABLE blobs (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    "hash" BLOB NOT NULL,
    payloadref TEXT NOT NULL,
    created INTEGER NOT NULL,
    peer TEXT NOT NULL,
    size INTEGER NOT NULL,
    data BLOB
);
CREATE INDEX blobs_hash ON blobs (ns, "hash");

CREATE TABLE batches (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    "type" TEXT NOT NULL,
    node BLOB,
    "group" BLOB,
    created INTEGER,
    author TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "hash" BLOB,
    manifest TEXT,
    tx_type TEXT NOT NULL,
    tx_id BLOB,
    confirmed INTEGER
);
CREATE UNIQUE INDEX batches_id ON batches (ns, id, "hash");
CREATE INDEX batches_tx ON batches (ns, tx_id);
CREATE INDEX batches_order ON batches (ns, seq);

CREATE TABLE transactions (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    "type" TEXT NOT NULL,
    created INTEGER NOT NULL,
    idempotencykey TEXT,
    blockchainids TEXT NOT NULL
);
CREATE UNIQUE INDEX transactions_id ON transactions (ns, id);
CREATE UNIQUE INDEX transactions_idempotencykey ON transactions (ns, idempotencykey) WHERE idempotencykey IS NOT NULL;
CREATE INDEX transactions_order ON transactions (ns, seq);

CREATE TABLE operations (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    tx BLOB,
    "type" TEXT NOT NULL,
    status TEXT NOT NULL,
    plugin TEXT NOT NULL,
    input TEXT,
    output TEXT,
    error TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    retry BLOB
);
CREATE UNIQUE INDEX operations_id ON operations (ns, id);
CREATE INDEX operations_tx ON operations (ns, tx);
CREATE INDEX operations_open ON operations (ns, seq) WHERE status IN ('Initialized', 'Pending');
CREATE INDEX operations_order ON operations (ns, seq);

CREATE TABLE blockchain_events (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    listener BLOB,
    protocolid TEXT NOT NULL,
    output TEXT,
    info TEXT,
    "timestamp" INTEGER NOT NULL,
    tx_type TEXT NOT NULL,
    tx_id BLOB,
    tx_blockchainid TEXT NOT NULL
);
CREATE UNIQUE INDEX blockchain_events_id ON blockchain_events (ns, id);
CREATE INDEX blockchain_events_protocolid ON blockchain_events (ns, protocolid);
CREATE INDEX blockchain_events_tx ON blockchain_events (ns, tx_id) WHERE tx_id IS NOT NULL;
CREATE INDEX blockchain_events_listener ON blockchain_events (ns, listener, seq) WHERE listener IS NOT NULL;
CREATE INDEX blockchain_events_order ON blockchain_events (ns, seq);

CREATE TABLE pins (
    ns INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    masked INTEGER NOT NULL,
    "hash" BLOB NOT NULL,
    batch BLOB NOT NULL,
    batchhash BLOB NOT NULL,
    "index" INTEGER NOT NULL,
    dispatched INTEGER NOT NULL,
    signer TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (ns, seq)
) WITHOUT ROWID;
CREATE INDEX pins_batch ON pins (ns, batch);
CREATE INDEX pins_hash ON pins (ns, "hash");
CREATE INDEX pins_open ON pins (ns, seq) WHERE NOT dispatched;

CREATE TABLE nextpins (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    context BLOB NOT NULL,
    identity TEXT NOT NULL,
    "hash" BLOB NOT NULL,
    nonce INTEGER NOT NULL
);
CREATE UNIQUE INDEX nextpins_context ON nextpins (ns, context, identity);

CREATE TABLE identities (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    did TEXT NOT NULL,
    "type" TEXT NOT NULL,
    parent BLOB,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    profile TEXT,
    messages_claim BLOB,
    messages_verification BLOB,
    messages_update BLOB,
    created INTEGER,
    updated INTEGER
);
CREATE INDEX identities_id ON identities (ns, id);
CREATE UNIQUE INDEX identities_did ON identities (ns, did);
CREATE INDEX identities_name ON identities (ns, "type", name);
CREATE INDEX identities_parent ON identities (ns, parent) WHERE parent IS NOT NULL;

CREATE TABLE verifiers (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    "hash" BLOB,
    identity BLOB,
    "type" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    valuehash BLOB NOT NULL,
    created INTEGER
);
CREATE UNIQUE INDEX verifiers_value ON verifiers (ns, "type", valuehash);
CREATE INDEX verifiers_identity ON verifiers (ns, identity);
CREATE INDEX verifiers_hash ON verifiers (ns, "hash");

CREATE TABLE datatypes (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB,
    message BLOB,
    validator TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    "hash" BLOB,
    created INTEGER,
    "value" TEXT
);
CREATE UNIQUE INDEX datatypes_name ON datatypes (ns, name, version);
CREATE INDEX datatypes_id ON datatypes (ns, id);

CREATE TABLE groups (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    "hash" BLOB NOT NULL,
    message BLOB,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    members TEXT NOT NULL,
    created INTEGER
);
CREATE UNIQUE INDEX groups_hash ON groups (ns, "hash");

CREATE TABLE subscriptions (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    transport TEXT NOT NULL,
    filters TEXT NOT NULL,
    options TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER
);
CREATE UNIQUE INDEX subscriptions_name ON subscriptions (ns, name);
CREATE UNIQUE INDEX subscriptions_id ON subscriptions (ns, id);

CREATE TABLE offsets (
    ns INTEGER NOT NULL,
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    current INTEGER NOT NULL
);
CREATE UNIQUE INDEX offsets_name ON offsets (ns, kind, name);

CREATE TABLE events (
    ns INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    "type" TEXT NOT NULL,
    reference BLOB,
    correlator BLOB,
    tx BLOB,
    topic TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (ns, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX events_id ON events (ns, id);
CREATE INDEX events_reference ON events (ns, reference);
CREATE INDEX events_tx ON events (ns, tx) WHERE tx IS NOT NULL;

-- Ordered entries of bytes, by owner.
CREATE TABLE entries (
    ns INTEGER NOT NULL,
    space INTEGER NOT NULL,
    "key" BLOB NOT NULL,
    "value" BLOB NOT NULL,
    PRIMARY KEY (ns, space, "key")
) WITHOUT ROWID;

-- What a large database looks like, so that the planner prefers keys to the order of a namespace from the first
-- row on: rows of the index, then rows for each prefix of its columns. Without it the planner guesses, and guesses
-- wrong where a namespace is all there is.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('batches', 'batches_id', '1000000 1000000 2 2'),
    ('batches', 'batches_order', '1000000 1000000 1'),
    ('batches', 'batches_tx', '1000000 1000000 3'),
    ('blobs', 'blobs_hash', '1000000 1000000 2'),
    ('blockchain_events', 'blockchain_events_id', '1000000 1000000 2'),
    ('blockchain_events', 'blockchain_events_listener', '1000000 1000000 10000 1'),
    ('blockchain_events', 'blockchain_events_order', '1000000 1000000 1'),
    ('blockchain_events', 'blockchain_events_protocolid', '1000000 1000000 2'),
    ('blockchain_events', 'blockchain_events_tx', '1000000 1000000 3'),
    ('data', 'data_blob', '1000000 1000000 2'),
    ('data', 'data_datatype', '1000000 1000000 10000 5000 1'),
    ('data', 'data_id', '1000000 1000000 2 2'),
    ('data', 'data_order', '1000000 1000000 1'),
    ('datatypes', 'datatypes_id', '1000000 1000000 2'),
    ('datatypes', 'datatypes_name', '1000000 1000000 1 1'),
    ('entries', 'entries', '1000000 1000000 300000 1'),
    ('events', 'events', '1000000 1000000 1'),
    ('events', 'events_id', '1000000 1000000 2'),
    ('events', 'events_reference', '1000000 1000000 3'),
    ('events', 'events_tx', '1000000 1000000 3'),
    ('groups', 'groups_hash', '1000000 1000000 2'),
    ('identities', 'identities_did', '1000000 1000000 1'),
    ('identities', 'identities_id', '1000000 1000000 2'),
    ('identities', 'identities_name', '1000000 1000000 300000 1'),
    ('identities', 'identities_parent', '1000000 1000000 20'),
    ('message_data', 'message_data', '1000000 1000000 3 1'),
    ('messages', 'messages_batch', '1000000 1000000 300'),
    ('messages', 'messages_cid', '1000000 1000000 5'),
    ('messages', 'messages_group', '1000000 1000000 10000 1'),
    ('messages', 'messages_id', '1000000 1000000 2 2'),
    ('messages', 'messages_idempotencykey', '1000000 1000000 1'),
    ('messages', 'messages_order', '1000000 1000000 200 1 1'),
    ('messages', 'messages_ready', '1000 1000 1'),
    ('messages', 'messages_ready_of', '1000 1000 1000 1'),
    ('messages', 'messages_tag', '1000000 1000000 10000 1'),
    ('namespaces', 'namespaces_name', '10 1'),
    ('nextpins', 'nextpins_context', '1000000 1000000 5 3'),
    ('offsets', 'offsets_name', '1000000 1000000 1000 1'),
    ('operations', 'operations_id', '1000000 1000000 2'),
    ('operations', 'operations_open', '1000 1000 1'),
    ('operations', 'operations_order', '1000000 1000000 1'),
    ('operations', 'operations_tx', '1000000 1000000 3'),
    ('pins', 'pins', '1000000 1000000 1'),
    ('pins', 'pins_batch', '1000000 1000000 300'),
    ('pins', 'pins_hash', '1000000 1000000 2'),
    ('pins', 'pins_open', '1000 1000 1'),
    ('subscriptions', 'subscriptions_id', '1000000 1000000 2'),
    ('subscriptions', 'subscriptions_name', '1000000 1000000 1'),
    ('transactions', 'transactions_id', '1000000 1000000 2'),
    ('transactions', 'transactions_idempotencykey', '1000000 1000000 1'),
    ('transactions', 'transactions_order', '1000000 1000000 1'),
    ('verifiers', 'verifiers_hash', '1000000 1000000 2'),
    ('verifiers', 'verifiers_identity', '1000000 1000000 3'),
    ('verifiers', 'verifiers_value', '1000000 1000000 300000 1');
