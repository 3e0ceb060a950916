-- migrate:up

-- What a strategy in shadow mode would have done: told once for each failure and strategy, and held against what happened.
-- A running 127 goes on beside it, and adds none. No foreign key, as elsewhere.
CREATE TABLE heal_shadow (
  failure_id uuid NOT NULL,
  strategy text NOT NULL,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  failure_type text NOT NULL,
  scope text NOT NULL,
  cost bigint NOT NULL,
  plan jsonb NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, strategy)
);
COMMENT ON COLUMN heal_shadow.cost IS 'What it would have held, in millionths of an AUD';
CREATE INDEX heal_shadow_recent ON heal_shadow (noted_at);
CREATE INDEX workflow_failures_paused ON workflow_failures (org_id) WHERE paused_at IS NOT NULL;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
