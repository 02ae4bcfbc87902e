-- Messages are shown undecided ones first, then by the time of their decision. What is decided and what is not have
-- indexes of their own: so a message costs an index of decided ones one entry, once, and not three changes on its way.
-- Each holds the order too: of a filter by one of these columns no more rows are read than are shown.
DROP INDEX messages_order;
DROP INDEX messages_tag;
DROP INDEX messages_group;
CREATE INDEX messages_undecided ON messages
    (ns, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE confirmed IS NULL;
CREATE INDEX messages_order ON messages
    (ns, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE confirmed IS NOT NULL;
-- Texts may be longer than a database can index: those beyond 256 characters are found by walking.
CREATE INDEX messages_author ON messages
    (ns, author, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND length(author) <= 256;
CREATE INDEX messages_group ON messages
    (ns, "group", (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND "group" IS NOT NULL;
CREATE INDEX messages_key ON messages
    (ns, "key", (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND length("key") <= 256;
CREATE INDEX messages_state ON messages
    (ns, state, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND state <> 'confirmed';
CREATE INDEX messages_tag ON messages
    (ns, tag, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND tag <> '' AND length(tag) <= 256;
CREATE INDEX messages_topics ON messages
    (ns, topics, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND length(topics) <= 256;
CREATE INDEX messages_type ON messages
    (ns, "type", (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq)
    WHERE confirmed IS NOT NULL AND length("type") <= 256;
CREATE INDEX messages_txid ON messages (ns, txid) WHERE txid IS NOT NULL;
CREATE INDEX messages_txparent ON messages (ns, txparent_id) WHERE txparent_id IS NOT NULL;

-- Where nearly all rows have one value, the index leaves these out: they are found by walking.
CREATE INDEX events_type ON events (ns, "type", seq) WHERE "type" <> 'message_confirmed';
CREATE INDEX events_topic ON events (ns, topic, seq) WHERE topic <> '' AND length(topic) <= 256;
CREATE INDEX events_correlator ON events (ns, correlator) WHERE correlator IS NOT NULL;
CREATE INDEX transactions_type ON transactions (ns, "type", seq) WHERE "type" <> 'batch_pin';
CREATE INDEX transactions_blockchainids ON transactions (ns, blockchainids)
    WHERE blockchainids <> '' AND length(blockchainids) <= 256;
CREATE INDEX operations_type ON operations (ns, "type", seq);
CREATE INDEX operations_status ON operations (ns, status, seq) WHERE status <> 'Succeeded';
CREATE INDEX operations_retry ON operations (ns, retry) WHERE retry IS NOT NULL;
CREATE INDEX batches_author ON batches (ns, author, seq) WHERE length(author) <= 256;
CREATE INDEX batches_group ON batches (ns, "group", seq) WHERE "group" IS NOT NULL;
CREATE INDEX batches_created ON batches (ns, created);
CREATE INDEX blockchain_events_ledger ON blockchain_events (ns, tx_blockchainid)
    WHERE tx_blockchainid <> '' AND length(tx_blockchainid) <= 256;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('batches', 'batches_author', '1000000 1000000 10000 1'),
    ('batches', 'batches_created', '1000000 1000000 20'),
    ('batches', 'batches_group', '1000000 1000000 10000 1'),
    ('blockchain_events', 'blockchain_events_ledger', '1000000 1000000 2'),
    ('events', 'events_correlator', '1000000 1000000 5'),
    ('events', 'events_topic', '1000000 1000000 10000 1'),
    ('events', 'events_type', '1000000 1000000 10000 1'),
    ('messages', 'messages_author', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_group', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_key', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_order', '1000000 1000000 200 1 1'),
    ('messages', 'messages_state', '1000 1000 1000 50 1 1'),
    ('messages', 'messages_tag', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_topics', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_txid', '1000000 1000000 300'),
    ('messages', 'messages_txparent', '1000000 1000000 300'),
    ('messages', 'messages_type', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_undecided', '1000 1000 1000 2 1'),
    ('operations', 'operations_retry', '1000 1000 2'),
    ('operations', 'operations_status', '1000 1000 1000 1'),
    ('operations', 'operations_type', '1000000 1000000 10000 1'),
    ('transactions', 'transactions_blockchainids', '1000000 1000000 2'),
    ('transactions', 'transactions_type', '1000000 1000000 10000 1');
