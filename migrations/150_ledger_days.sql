-- migrate:up

-- The ledger of an organisation within a span of time; a large one has it already (migrations/online).
SET LOCAL lock_timeout = '1500ms';
CREATE INDEX IF NOT EXISTS token_usage_events_days ON token_usage_events (org_id, created_at);

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
