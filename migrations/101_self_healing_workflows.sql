-- migrate:up

-- The two tables of the platform, as its design document names them.

CREATE TABLE IF NOT EXISTS workflow_failures (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  failure_reason text NOT NULL,
  context jsonb DEFAULT '{}'::jsonb,
  detected_at timestamptz DEFAULT now(),
  resolved boolean NOT NULL DEFAULT false,
  CONSTRAINT workflow_failures_org_fk FOREIGN KEY (org_id) REFERENCES organizations(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS workflow_heal_attempts (
  id uuid PRIMARY KEY DEFAULT uuid_generate_v4(),
  failure_id uuid NOT NULL,
  attempted_at timestamptz DEFAULT now(),
  strategy text NOT NULL,
  result text NOT NULL,
  details jsonb DEFAULT '{}'::jsonb,
  CONSTRAINT workflow_heal_attempts_failure_fk
    FOREIGN KEY (failure_id) REFERENCES workflow_failures(id) ON DELETE CASCADE
);

CREATE INDEX IF NOT EXISTS idx_workflow_failures_org ON workflow_failures (org_id);
CREATE INDEX IF NOT EXISTS idx_workflow_failures_name ON workflow_failures (workflow_name);
CREATE INDEX IF NOT EXISTS idx_workflow_failures_detected ON workflow_failures (detected_at DESC);
CREATE INDEX IF NOT EXISTS idx_workflow_failures_unresolved ON workflow_failures (resolved) WHERE resolved = false;
CREATE INDEX IF NOT EXISTS idx_workflow_heal_attempts_failure ON workflow_heal_attempts (failure_id);
CREATE INDEX IF NOT EXISTS idx_workflow_heal_attempts_attempted ON workflow_heal_attempts (attempted_at DESC);

-- An index row holds at most 2,704 bytes: over the whole reason, one long stack trace refuses a whole batch.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('idx_workflow_failures_reason') AND indexprs IS NULL) THEN
    DROP INDEX idx_workflow_failures_reason;
  END IF;
END
$$;
CREATE INDEX IF NOT EXISTS idx_workflow_failures_reason ON workflow_failures (left(failure_reason, 512));

ALTER TABLE workflow_failures ENABLE ROW LEVEL SECURITY;
ALTER TABLE workflow_heal_attempts ENABLE ROW LEVEL SECURITY;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'workflow_failures_select') THEN
    CREATE POLICY workflow_failures_select ON workflow_failures
      FOR SELECT TO authenticated
      USING (org_id IN (SELECT m.org_id FROM user_organizations m
                         WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin')));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'workflow_failures_insert') THEN
    CREATE POLICY workflow_failures_insert ON workflow_failures
      FOR INSERT TO authenticated
      WITH CHECK (org_id IN (SELECT m.org_id FROM user_organizations m WHERE m.user_id = auth.uid()));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'workflow_failures_update') THEN
    CREATE POLICY workflow_failures_update ON workflow_failures
      FOR UPDATE TO authenticated
      USING (org_id IN (SELECT m.org_id FROM user_organizations m
                         WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin')));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'workflow_heal_attempts_select') THEN
    CREATE POLICY workflow_heal_attempts_select ON workflow_heal_attempts
      FOR SELECT TO authenticated
      USING (failure_id IN (SELECT f.id FROM workflow_failures f
                             WHERE f.org_id IN (SELECT m.org_id FROM user_organizations m
                                                 WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin'))));
  END IF;
  IF NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = current_schema() AND policyname = 'workflow_heal_attempts_insert') THEN
    CREATE POLICY workflow_heal_attempts_insert ON workflow_heal_attempts
      FOR INSERT TO authenticated
      WITH CHECK (failure_id IN (SELECT f.id FROM workflow_failures f
                                  WHERE f.org_id IN (SELECT m.org_id FROM user_organizations m
                                                      WHERE m.user_id = auth.uid())));
  END IF;
END
$$;

COMMENT ON TABLE workflow_failures IS 'Detected workflow failures for self-healing (Phase 49)';
COMMENT ON TABLE workflow_heal_attempts IS 'Healing attempt log for workflow failures (Phase 49)';

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
