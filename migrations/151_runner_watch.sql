-- migrate:up

-- Watched runners: who looks, how far each watched workflow's failed runs were read, and which runs were looked at. The
-- cursor moves in the transaction that puts what it found into the outbox. A running 150 goes on beside it, and watches
-- nothing. No foreign keys, as elsewhere.
CREATE TABLE heal_runner_watch (
  runner text PRIMARY KEY,
  owner text NOT NULL,
  epoch bigint NOT NULL DEFAULT 1,
  looked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN heal_runner_watch.owner IS 'The process that has the lead; whoever takes it over raises the epoch';
COMMENT ON COLUMN heal_runner_watch.looked_at IS 'End of the last complete round of looks';

CREATE TABLE heal_watch_cursor (
  runner text NOT NULL,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  since timestamptz NOT NULL,
  newest timestamptz,
  page text,
  PRIMARY KEY (runner, org_id, workflow_name)
);
CREATE INDEX heal_watch_cursor_org ON heal_watch_cursor (org_id);

CREATE TABLE heal_watch_seen (
  runner text NOT NULL,
  seen bytea NOT NULL,
  run bytea NOT NULL,
  org_id uuid NOT NULL,
  failure_id uuid,
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (runner, seen)
);
COMMENT ON COLUMN heal_watch_seen.failure_id IS 'The failure that its event becomes; none: it was not told';
CREATE INDEX heal_watch_seen_run ON heal_watch_seen (runner, run) WHERE failure_id IS NOT NULL;
CREATE INDEX heal_watch_seen_org ON heal_watch_seen (org_id);
CREATE INDEX heal_watch_seen_at ON heal_watch_seen (seen_at);

-- Runs that stand still by one look: a second one, later, has to agree before they are told.
CREATE TABLE heal_watch_suspect (
  runner text NOT NULL,
  run bytea NOT NULL,
  org_id uuid NOT NULL,
  suspicion jsonb NOT NULL,
  looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (runner, run)
);
CREATE INDEX heal_watch_suspect_org ON heal_watch_suspect (org_id);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
