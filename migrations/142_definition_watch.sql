-- migrate:up

-- Definitions that a proven patch has put in force, each watched for its own window: what comes back rolls it back. The row
-- is there before the definition is replaced, and holds what stood there. A running 141 goes on beside it, and hands
-- patches over. No foreign keys, as elsewhere.
CREATE TABLE heal_definition_watch (
  attempt_id uuid PRIMARY KEY,
  rewrite_id uuid NOT NULL,
  failure_id uuid NOT NULL,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  fingerprint text NOT NULL,
  state text NOT NULL CHECK (state IN ('promoting', 'watching', 'rolling_back', 'kept', 'rolled_back', 'superseded')),
  base_digest text NOT NULL,
  digest text NOT NULL,
  before jsonb NOT NULL,
  version text NOT NULL DEFAULT '',
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  watch_until timestamptz,
  relapse_id uuid,
  reason text NOT NULL DEFAULT '',
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  look_due timestamptz,
  CONSTRAINT heal_definition_watch_open_is_looked_at
    CHECK ((look_due IS NOT NULL) = (state IN ('promoting', 'watching', 'rolling_back')))
);
COMMENT ON COLUMN heal_definition_watch.before IS 'What stood there, in the form of its store: a rollback puts it back';
COMMENT ON COLUMN heal_definition_watch.relapse_id IS 'The failure by which the cause came back within the window';
CREATE INDEX heal_definition_watch_due ON heal_definition_watch (look_due) WHERE look_due IS NOT NULL;
CREATE INDEX heal_definition_watch_open ON heal_definition_watch (fingerprint) WHERE state = 'watching';
CREATE INDEX heal_definition_watch_rewrite ON heal_definition_watch (rewrite_id);
CREATE INDEX heal_definition_watch_org ON heal_definition_watch (org_id);

ALTER TABLE heal_rewrite ADD COLUMN canary boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN heal_rewrite.canary IS 'The person was asked for a canary run too: only then one is started';

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
