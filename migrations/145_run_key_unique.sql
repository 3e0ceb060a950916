-- migrate:up

-- Apart from the column, so that nobody's reads wait: built under a lock that holds up writes for one scan of the table, in
-- which no row has a key yet. A running 144 goes on beside it.
SET LOCAL lock_timeout = '1500ms';
CREATE UNIQUE INDEX workflow_failures_run_key ON workflow_failures (run_key) WHERE run_key IS NOT NULL;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
