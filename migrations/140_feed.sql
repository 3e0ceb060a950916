-- migrate:up

-- The feed of failures: those of one organisation and status, the newest first, a page at a time. Without it a page of the
-- few that wait for a person reads through all that were healed. A running 139 goes on beside it.
CREATE INDEX IF NOT EXISTS workflow_failures_feed ON workflow_failures (org_id, status, detected_at DESC, id DESC);

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
