-- The newest messages with a tag or of a group, in the order in which messages are shown: however many there are, no more are read
-- than are asked for.
DROP INDEX messages_tag;
CREATE INDEX messages_tag ON messages
    (ns, tag, (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE tag <> '';
DROP INDEX messages_group;
CREATE INDEX messages_group ON messages
    (ns, "group", (coalesce(confirmed, 9223372036854775807)), (coalesce(created, 0)), seq) WHERE "group" IS NOT NULL;
