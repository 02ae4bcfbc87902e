-- Charts and filters by time, and the folders of files.
CREATE INDEX messages_created ON messages (ns, created);
CREATE INDEX events_created ON events (ns, created);
CREATE INDEX transactions_created ON transactions (ns, created);
CREATE INDEX operations_created ON operations (ns, created);
CREATE INDEX blockchain_events_timestamp ON blockchain_events (ns, "timestamp");
CREATE INDEX data_path ON data (ns, blob_path) WHERE blob_path <> '';
