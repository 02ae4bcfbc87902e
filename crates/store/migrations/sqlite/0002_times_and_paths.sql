-- Charts and filters by time, and the folders of files.
CREATE INDEX messages_created ON messages (ns, created);
CREATE INDEX events_created ON events (ns, created);
CREATE INDEX transactions_created ON transactions (ns, created);
CREATE INDEX operations_created ON operations (ns, created);
CREATE INDEX blockchain_events_timestamp ON blockchain_events (ns, "timestamp");
CREATE INDEX data_path ON data (ns, blob_path) WHERE blob_path <> '';

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('blockchain_events', 'blockchain_events_timestamp', '1000000 1000000 20'),
    ('data', 'data_path', '1000000 1000000 10000'),
    ('events', 'events_created', '1000000 1000000 100'),
    ('messages', 'messages_created', '1000000 1000000 20'),
    ('operations', 'operations_created', '1000000 1000000 100'),
    ('transactions', 'transactions_created', '1000000 1000000 20');
