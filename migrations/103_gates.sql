-- migrate:up

-- What keeps one failure from being healed in the wrong moment: an ill dependency, an outcome that nobody knows, a
-- limit of the catalog. Everything is added and nothing changed: a running 102 goes on beside it.

ALTER TABLE workflow_failures
  ADD COLUMN lifetime_attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN unsure boolean NOT NULL DEFAULT false,
  ADD COLUMN damage text,
  ADD COLUMN twin uuid;
COMMENT ON COLUMN workflow_failures.lifetime_attempts IS 'Attempts that acted, over the whole life; attempts begins anew when a heal is asked for';
COMMENT ON COLUMN workflow_failures.unsure IS 'An effect of an earlier attempt may have happened: read back before anything else';
COMMENT ON COLUMN workflow_failures.damage IS 'Of a waiter: the digest of what is broken; an outcome is shared with equal damage only';
COMMENT ON COLUMN workflow_failures.twin IS 'The attempt that healed the same damage while this failure waited for its scope';

UPDATE workflow_failures SET lifetime_attempts = attempts WHERE attempts > 0;

-- A heal whose outcome stays unknown keeps its scope and its credits until a person has decided. Its owner never dies,
-- so no release, not even an older one, takes the claim over.
INSERT INTO heal_owner (owner, lease_until) VALUES ('parked', 'infinity');
CREATE INDEX heal_claim_parked ON heal_claim (failure_id) WHERE owner = 'parked';

-- An ill dependency of one organisation. A row is a strike; with opened_at nobody calls it but one probe at a time.
CREATE TABLE heal_breaker (
  key text PRIMARY KEY,
  org_id uuid NOT NULL,
  dependency text NOT NULL,
  strikes integer NOT NULL,
  struck_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  opened_at timestamptz,
  failed_probes integer NOT NULL DEFAULT 0,
  probe_due timestamptz,
  probe uuid,
  probe_until timestamptz,
  CONSTRAINT heal_breaker_open_is_probed CHECK ((opened_at IS NULL) = (probe_due IS NULL))
);

-- When the same thing was healed last, for workflows whose catalog entry limits it.
CREATE TABLE heal_rate (
  key text PRIMARY KEY,
  org_id uuid NOT NULL,
  starts timestamptz[] NOT NULL DEFAULT '{}',
  forget_at timestamptz NOT NULL
);
CREATE INDEX heal_rate_forget ON heal_rate (forget_at);

ALTER TABLE heal_breaker ENABLE ROW LEVEL SECURITY;
ALTER TABLE heal_rate ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON heal_breaker, heal_rate FROM PUBLIC, anon, authenticated;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
