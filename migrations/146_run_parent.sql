-- migrate:up

-- Runs of which a part has failed and is a failure here: what the whole run tells of it afterwards is no other failure. A
-- running 145 goes on beside it, and reads no lineage.
SET LOCAL lock_timeout = '1500ms';
CREATE TABLE intake_run_parent (
  run_parent bytea PRIMARY KEY,
  failure_id uuid NOT NULL REFERENCES workflow_failures (id) ON DELETE CASCADE
);
COMMENT ON TABLE intake_run_parent IS 'By digest of organisation and run: a failure of a part of that run';
CREATE INDEX intake_run_parent_failure ON intake_run_parent (failure_id);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
