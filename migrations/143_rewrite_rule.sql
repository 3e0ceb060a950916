-- migrate:up

-- Patches of workflow definitions that mended one cause again and again, and that a person made a rule: such a patch is
-- proposed before the agent is asked. A running 142 goes on beside it, and asks the agent. No foreign keys, as elsewhere.
CREATE TABLE heal_rewrite_rule (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  fingerprint text NOT NULL,
  patch jsonb NOT NULL,
  hypothesis text NOT NULL,
  risk text NOT NULL,
  verified integer NOT NULL,
  accepted_by text NOT NULL,
  accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  reason text NOT NULL,
  revoked_by text,
  revoked_at timestamptz,
  revoked_why text
);
COMMENT ON COLUMN heal_rewrite_rule.verified IS 'How many failures it had mended when it was accepted';
CREATE INDEX heal_rewrite_rule_fingerprint ON heal_rewrite_rule (org_id, fingerprint) WHERE revoked_at IS NULL;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
