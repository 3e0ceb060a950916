-- migrate:up

-- One failure of one run: a watcher, an engine's lineage and a producer share no event id. What names organisation,
-- runner, workflow, run, try and step has a digest of these, and is unique by it for as long as the failure's row, and so its
-- event id, is kept. A running 143 goes on beside it, and writes no keys.
SET LOCAL lock_timeout = '1500ms';
ALTER TABLE workflow_failures ADD COLUMN run_key bytea;
COMMENT ON COLUMN workflow_failures.run_key IS 'SHA-256 of organisation, runner, workflow, run, try and step, where the event named all of them';

-- What further events told of the same failure of a run.
CREATE TABLE intake_same_run (
  failure_id uuid NOT NULL REFERENCES workflow_failures (id) ON DELETE CASCADE,
  event_id uuid NOT NULL,
  source text,
  detected_at timestamptz NOT NULL,
  failure_reason text NOT NULL,
  error jsonb,
  arrived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, event_id)
);
COMMENT ON TABLE intake_same_run IS 'Evidence of further events of a failure of a run: at most 16 of each, redacted and cut';
COMMENT ON COLUMN intake_same_run.event_id IS 'Id of the failure that the event would have been';

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
