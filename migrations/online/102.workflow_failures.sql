-- All of these columns are there, where they were added beside those who write, or none: one or another is somebody else's.
DO $$
DECLARE
  found text[];
BEGIN
  SELECT array_agg(attname::text ORDER BY attname) INTO found FROM pg_attribute
   WHERE attrelid = 'workflow_failures'::regclass AND NOT attisdropped
     AND attname IN ('status', 'step', 'due_at', 'waits_on', 'attempts', 'source', 'digest', 'failure_type', 'disposition', 'extra',
                     'size', 'redactions', 'traceparent', 'tracestate', 'received_at');
  IF cardinality(found) < 15 THEN
    RAISE EXCEPTION 'workflow_failures has columns already that the healer would make: %', found;
  END IF;
END
$$;

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

-- By which 102 finds those, and which it drops.
CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_behind ON workflow_failures (id) WHERE resolved AND status = 'pending';

-- Checked beside those who write: of the platform's writes none can be against them.
ALTER TABLE workflow_failures
  DROP CONSTRAINT IF EXISTS workflow_failures_status_known,
  DROP CONSTRAINT IF EXISTS workflow_failures_open_is_due,
  ADD CONSTRAINT workflow_failures_status_known CHECK (
    status IN ('pending', 'deferred', 'awaiting_approval', 'needs_person', 'resolved', 'given_up')) NOT VALID,
  ADD CONSTRAINT workflow_failures_open_is_due CHECK ((status IN ('resolved', 'given_up')) = (due_at IS NULL)) NOT VALID;

ALTER TABLE workflow_failures VALIDATE CONSTRAINT workflow_failures_status_known;

ALTER TABLE workflow_failures VALIDATE CONSTRAINT workflow_failures_open_is_due;

CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_due ON workflow_failures (org_id, due_at) WHERE due_at IS NOT NULL;

CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_waiting ON workflow_failures (waits_on, due_at) WHERE waits_on IS NOT NULL;
