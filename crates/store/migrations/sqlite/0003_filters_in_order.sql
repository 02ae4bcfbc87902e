-- The newest messages with a tag or of a group, in the order in which messages are shown: however many there are, no more are read
-- than are asked for.
DROP INDEX messages_tag;
CREATE INDEX messages_tag ON messages
    (ns, tag, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE tag <> '';
DROP INDEX messages_group;
CREATE INDEX messages_group ON messages
    (ns, "group", (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE "group" IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('messages', 'messages_group', '1000000 1000000 10000 50 1 1'),
    ('messages', 'messages_tag', '1000000 1000000 10000 50 1 1');
