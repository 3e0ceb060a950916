-- A default that is the same for all rows rewrites none of them; the one that later rows need takes its place at once.
ALTER TABLE workflow_failures
  ADD COLUMN IF NOT EXISTS status text NOT NULL DEFAULT 'pending',
  ADD COLUMN IF NOT EXISTS step integer NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS due_at timestamptz DEFAULT now(),
  ADD COLUMN IF NOT EXISTS waits_on text,
  ADD COLUMN IF NOT EXISTS attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS source text,
  ADD COLUMN IF NOT EXISTS digest bytea,
  ADD COLUMN IF NOT EXISTS failure_type text,
  ADD COLUMN IF NOT EXISTS disposition text,
  ADD COLUMN IF NOT EXISTS extra jsonb,
  ADD COLUMN IF NOT EXISTS size integer NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS redactions jsonb,
  ADD COLUMN IF NOT EXISTS traceparent text,
  ADD COLUMN IF NOT EXISTS tracestate text,
  ADD COLUMN IF NOT EXISTS received_at timestamptz NOT NULL DEFAULT now(),
  ALTER COLUMN due_at SET DEFAULT clock_timestamp(),
  ALTER COLUMN received_at SET DEFAULT clock_timestamp();

-- The last ones, that the platform resolves meanwhile, are left to 102.
UPDATE workflow_failures SET status = 'resolved', due_at = NULL
 WHERE ctid >= '$from' AND ctid < '$to' AND resolved AND status = 'pending';

VACUUM workflow_failures;

CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_due ON workflow_failures (org_id, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_waiting ON workflow_failures (waits_on, due_at) WHERE waits_on IS NOT NULL;
