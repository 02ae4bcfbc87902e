-- Manifests and the state of the order are long, and the server's own compression costs more than all else of their rows. lz4 is
-- cheap; a server that does not have it, or does not know the words, leaves them as they are.
DO $$
BEGIN
    EXECUTE 'ALTER TABLE batches ALTER COLUMN manifest SET COMPRESSION lz4';
    EXECUTE 'ALTER TABLE entries ALTER COLUMN "value" SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value OR syntax_error THEN
    ALTER TABLE batches ALTER COLUMN manifest SET STORAGE EXTERNAL;
    ALTER TABLE entries ALTER COLUMN "value" SET STORAGE EXTERNAL;
END
$$;

-- Events are written once, in the order of their times: the bounds of each stretch of them are index enough.
DROP INDEX events_created;
CREATE INDEX events_created ON events USING brin (created) WITH (autosummarize = on);

-- A message is written twice where it is sent: with its batch, and when it is decided. Here every index of a row gets another
-- entry then, so those that are not needed before leave out what is undecided, which has an index of its own.
DROP INDEX messages_created;
DROP INDEX messages_batch;
DROP INDEX messages_txid;
CREATE INDEX messages_created ON messages (ns, created) WHERE confirmed IS NOT NULL;
CREATE INDEX messages_batch ON messages (ns, batch) WHERE confirmed IS NOT NULL AND batch IS NOT NULL;
CREATE INDEX messages_txid ON messages (ns, txid) WHERE confirmed IS NOT NULL AND txid IS NOT NULL;
