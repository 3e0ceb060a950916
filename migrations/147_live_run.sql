-- migrate:up

-- One row a live run, as its heartbeats tell it. Each interval writes the rows of all runs that beat, so half of each
-- page is left free, and no column but the key's is indexed: an update then stays in its page (HOT), and touches no
-- index. A running 146 goes on beside it, and reads no heartbeats. No foreign keys, as elsewhere.
CREATE TABLE heal_live_run (
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  run_id text NOT NULL,
  source text NOT NULL,
  run_epoch bigint,
  step text NOT NULL,
  status text NOT NULL,
  progress bigint,
  beat_at timestamptz NOT NULL,
  stamped_at timestamptz NOT NULL,
  heard_at timestamptz NOT NULL,
  allowed_seconds double precision,
  learnt boolean NOT NULL DEFAULT false,
  partition integer NOT NULL,
  read_offset bigint NOT NULL,
  spread boolean NOT NULL DEFAULT false,
  told_id uuid,
  told_at timestamptz,
  beats_again boolean NOT NULL DEFAULT false,
  PRIMARY KEY (org_id, workflow_name, run_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
COMMENT ON COLUMN heal_live_run.stamped_at IS 'The timestamp of the last beat''s record, by whatever clock';
COMMENT ON COLUMN heal_live_run.heard_at IS 'When the run was alive, by the database''s clock';
COMMENT ON COLUMN heal_live_run.spread IS 'Its beats come in several partitions: all of them have to be read';
COMMENT ON COLUMN heal_live_run.told_id IS 'The failure that its silence has become';

-- The last gaps between beats of healthy runs, by step, in seconds, the newest last: deadlines are learnt from them.
CREATE TABLE heal_beat_gap (
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  step text NOT NULL,
  gaps real[] NOT NULL,
  learnt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, workflow_name, step)
) WITH (fillfactor = 50);

-- How far each partition of the heartbeats is read: silence counts only up to there.
CREATE TABLE heal_beat_partition (
  partition integer PRIMARY KEY,
  read_offset bigint NOT NULL,
  read_up_to timestamptz NOT NULL
) WITH (fillfactor = 50);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
