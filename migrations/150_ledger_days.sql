-- migrate:up

-- The ledger of an organisation within a span of time. Who has a ledger of many millions of lines builds it beforehand, beside those
-- who write (CREATE INDEX CONCURRENTLY, as below), and this finds it. Not by itself: what waits for the lock of migrations has a
-- snapshot, for which such a build would wait.
SET LOCAL lock_timeout = '10s';
CREATE INDEX IF NOT EXISTS token_usage_events_days ON token_usage_events (org_id, created_at);

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
