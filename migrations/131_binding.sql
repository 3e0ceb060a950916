-- migrate:up

-- Where the calls of an organisation to a dependency go while it is ill: one row for each of both, changed under its lock.
-- A running 130 goes on beside it, and knows nothing of bindings: its retries go to the first. No foreign key, as elsewhere.
CREATE TABLE heal_binding (
  org_id uuid NOT NULL,
  dependency text NOT NULL,
  workflow_name text NOT NULL,
  state text NOT NULL,
  candidate text,
  changed_at timestamptz NOT NULL,
  lease_until timestamptz NOT NULL,
  ejected_until timestamptz NOT NULL,
  ejections integer NOT NULL,
  answered integer NOT NULL,
  failed integer NOT NULL,
  well_since timestamptz,
  idle_until timestamptz,
  shunned jsonb NOT NULL,
  version integer NOT NULL,
  reason text NOT NULL,
  evidence jsonb NOT NULL,
  probe_due timestamptz,
  probe_until timestamptz,
  prober text,
  PRIMARY KEY (org_id, dependency),
  CONSTRAINT heal_binding_bound_is_probed CHECK ((state = 'first') = (candidate IS NULL) AND (state = 'first') = (probe_due IS NULL))
);
COMMENT ON COLUMN heal_binding.prober IS 'The process that probes the first, until probe_until at the latest: one at a time';
CREATE INDEX heal_binding_probed ON heal_binding (probe_due) WHERE probe_due IS NOT NULL;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
