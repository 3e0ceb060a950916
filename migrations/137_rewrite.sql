-- migrate:up

-- Patches of workflow definitions that the agent proposed and code has proven: what an approval is asked for, and what a
-- person puts in place. A running 136 goes on beside it, and proposes none. No foreign keys, as elsewhere.
CREATE TABLE heal_rewrite (
  attempt_id uuid PRIMARY KEY,
  failure_id uuid NOT NULL,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  fingerprint text NOT NULL,
  base_digest text NOT NULL,
  digest text NOT NULL,
  told_digest text NOT NULL,
  patch jsonb NOT NULL,
  hypothesis text NOT NULL,
  risk text NOT NULL,
  objections text NOT NULL,
  prompts text NOT NULL,
  good_runs integer NOT NULL,
  proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  approved_at timestamptz
);
COMMENT ON COLUMN heal_rewrite.told_digest IS 'Digest of what a person is asked for: the approval holds for exactly this';
CREATE INDEX heal_rewrite_failure ON heal_rewrite (failure_id, proposed_at);
CREATE INDEX heal_rewrite_fingerprint ON heal_rewrite (org_id, fingerprint, proposed_at);

-- The platform's registry of definitions; created only where it is missing.
DO $$ BEGIN
  IF to_regclass('deep_agent_workflows') IS NULL THEN
    CREATE TABLE deep_agent_workflows (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      org_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
      workflow_name text NOT NULL,
      config jsonb NOT NULL,
      last_run_at timestamptz,
      last_status text,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX deep_agent_workflows_name ON deep_agent_workflows (org_id, workflow_name, created_at);
    ALTER TABLE deep_agent_workflows ENABLE ROW LEVEL SECURITY;
    REVOKE ALL ON deep_agent_workflows FROM PUBLIC, anon, authenticated;
  END IF;
END $$;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
