-- migrate:up

-- Proven heals that are watched: a failure with the same fingerprint and scope within the watch is a relapse. A running 128
-- goes on beside it, and notes none. No foreign keys, as elsewhere.
CREATE TABLE heal_success (
  key text PRIMARY KEY,
  org_id uuid NOT NULL,
  failure_id uuid NOT NULL,
  attempt_id uuid NOT NULL,
  strategy text NOT NULL,
  healed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  watch_until timestamptz NOT NULL
);
CREATE INDEX heal_success_over ON heal_success (watch_until);

CREATE TABLE heal_relapse (
  failure_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  strategy text NOT NULL,
  of_failure uuid NOT NULL,
  of_attempt uuid NOT NULL,
  healed_at timestamptz NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX heal_relapse_recent ON heal_relapse (noted_at);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
