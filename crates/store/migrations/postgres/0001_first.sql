-- The first schema. Every table begins with the number of the namespace (ns) and the local order (seq).
-- Times are nanoseconds since 1970; lists are joined with commas; JSON is canonical text.

CREATE TABLE namespaces (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    networkname TEXT COLLATE "C",
    description TEXT COLLATE "C",
    created BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX namespaces_name ON namespaces (name);

CREATE TABLE messages (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    cid UUID,
    "type" TEXT COLLATE "C" NOT NULL,
    txtype TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    created BIGINT,
    namespace TEXT COLLATE "C" NOT NULL,
    "group" BYTEA,
    topics TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    datahash BYTEA,
    txparent_type TEXT COLLATE "C",
    txparent_id UUID,
    "hash" BYTEA,
    batch UUID,
    txid UUID,
    state TEXT COLLATE "C",
    confirmed BIGINT,
    rejectreason TEXT COLLATE "C" NOT NULL,
    data BYTEA NOT NULL,
    pins TEXT COLLATE "C" NOT NULL,
    idempotencykey TEXT COLLATE "C",
    PRIMARY KEY (ns, seq)
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
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    data UUID NOT NULL,
    PRIMARY KEY (ns, data, seq)
);

CREATE TABLE data (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    validator TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA,
    created BIGINT,
    datatype_name TEXT COLLATE "C",
    datatype_version TEXT COLLATE "C",
    "value" TEXT COLLATE "C",
    public TEXT COLLATE "C" NOT NULL,
    blob_hash BYTEA,
    blob_size BIGINT,
    blob_name TEXT COLLATE "C" NOT NULL,
    blob_path TEXT COLLATE "C" NOT NULL,
    blob_public TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX data_id ON data (ns, id, "hash");
CREATE INDEX data_blob ON data (ns, blob_hash) WHERE blob_hash IS NOT NULL;
CREATE INDEX data_datatype ON data (ns, datatype_name, datatype_version, seq) WHERE datatype_name IS NOT NULL;

CREATE TABLE blobs (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,
    payloadref TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    peer TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    data UUID,
    PRIMARY KEY (ns, seq)
);
CREATE INDEX blobs_hash ON blobs (ns, "hash");

CREATE TABLE batches (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    node UUID,
    "group" BYTEA,
    created BIGINT,
    author TEXT COLLATE "C" NOT NULL,
    "key" TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA,
    manifest TEXT COLLATE "C",
    tx_type TEXT COLLATE "C" NOT NULL,
    tx_id UUID,
    confirmed BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX batches_id ON batches (ns, id, "hash");
CREATE INDEX batches_tx ON batches (ns, tx_id);

CREATE TABLE transactions (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    idempotencykey TEXT COLLATE "C",
    blockchainids TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX transactions_id ON transactions (ns, id);
CREATE UNIQUE INDEX transactions_idempotencykey ON transactions (ns, idempotencykey) WHERE idempotencykey IS NOT NULL;

CREATE TABLE operations (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    tx UUID,
    "type" TEXT COLLATE "C" NOT NULL,
    status TEXT COLLATE "C" NOT NULL,
    plugin TEXT COLLATE "C" NOT NULL,
    input TEXT COLLATE "C",
    output TEXT COLLATE "C",
    error TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    retry UUID,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX operations_id ON operations (ns, id);
CREATE INDEX operations_tx ON operations (ns, tx);
CREATE INDEX operations_open ON operations (ns, seq) WHERE status IN ('Initialized', 'Pending');

CREATE TABLE blockchain_events (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    source TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    listener UUID,
    protocolid TEXT COLLATE "C" NOT NULL,
    output TEXT COLLATE "C",
    info TEXT COLLATE "C",
    "timestamp" BIGINT NOT NULL,
    tx_type TEXT COLLATE "C" NOT NULL,
    tx_id UUID,
    tx_blockchainid TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX blockchain_events_id ON blockchain_events (ns, id);
CREATE INDEX blockchain_events_protocolid ON blockchain_events (ns, protocolid);
CREATE INDEX blockchain_events_tx ON blockchain_events (ns, tx_id) WHERE tx_id IS NOT NULL;
CREATE INDEX blockchain_events_listener ON blockchain_events (ns, listener, seq) WHERE listener IS NOT NULL;

CREATE TABLE pins (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    masked BOOLEAN NOT NULL,
    "hash" BYTEA NOT NULL,
    batch UUID NOT NULL,
    batchhash BYTEA NOT NULL,
    "index" BIGINT NOT NULL,
    dispatched BOOLEAN NOT NULL,
    signer TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE INDEX pins_batch ON pins (ns, batch);
CREATE INDEX pins_hash ON pins (ns, "hash");
CREATE INDEX pins_open ON pins (ns, seq) WHERE NOT dispatched;

CREATE TABLE nextpins (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    context BYTEA NOT NULL,
    identity TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA NOT NULL,
    nonce BIGINT NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX nextpins_context ON nextpins (ns, context, identity);

CREATE TABLE identities (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    did TEXT COLLATE "C" NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    parent UUID,
    name TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    profile TEXT COLLATE "C",
    messages_claim UUID,
    messages_verification UUID,
    messages_update UUID,
    created BIGINT,
    updated BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE INDEX identities_id ON identities (ns, id);
CREATE UNIQUE INDEX identities_did ON identities (ns, did);
CREATE INDEX identities_name ON identities (ns, "type", name);
CREATE INDEX identities_parent ON identities (ns, parent) WHERE parent IS NOT NULL;

CREATE TABLE verifiers (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    "hash" BYTEA,
    identity UUID,
    "type" TEXT COLLATE "C" NOT NULL,
    "value" TEXT COLLATE "C" NOT NULL,
    valuehash BYTEA NOT NULL,
    created BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX verifiers_value ON verifiers (ns, "type", valuehash);
CREATE INDEX verifiers_identity ON verifiers (ns, identity);
CREATE INDEX verifiers_hash ON verifiers (ns, "hash");

CREATE TABLE datatypes (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID,
    message UUID,
    validator TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    "hash" BYTEA,
    created BIGINT,
    "value" TEXT COLLATE "C",
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX datatypes_name ON datatypes (ns, name, version);
CREATE INDEX datatypes_id ON datatypes (ns, id);

CREATE TABLE groups (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,
    message UUID,
    namespace TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    members TEXT COLLATE "C" NOT NULL,
    created BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX groups_hash ON groups (ns, "hash");

CREATE TABLE subscriptions (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    transport TEXT COLLATE "C" NOT NULL,
    filters TEXT COLLATE "C" NOT NULL,
    options TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX subscriptions_name ON subscriptions (ns, name);
CREATE UNIQUE INDEX subscriptions_id ON subscriptions (ns, id);

CREATE TABLE offsets (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    current BIGINT NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX offsets_name ON offsets (ns, kind, name);

CREATE TABLE events (
    ns BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id UUID NOT NULL,
    "type" TEXT COLLATE "C" NOT NULL,
    reference UUID,
    correlator UUID,
    tx UUID,
    topic TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (ns, seq)
);
CREATE UNIQUE INDEX events_id ON events (ns, id);
CREATE INDEX events_reference ON events (ns, reference);
CREATE INDEX events_tx ON events (ns, tx) WHERE tx IS NOT NULL;

-- Ordered entries of bytes, by owner.
CREATE TABLE entries (
    ns BIGINT NOT NULL,
    space BIGINT NOT NULL,
    "key" BYTEA NOT NULL,
    "value" BYTEA NOT NULL,
    PRIMARY KEY (ns, space, "key")
);

-- The last group that was committed: after a broken connection it tells whether a commit took place.
CREATE TABLE lane (
    one BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);
INSERT INTO lane (one, last) VALUES (1, 0);
