-- migrate:up

-- What makes a failure a durable inbox entry: where it stands, when it is looked at again, what it came from. On a large
-- table the most of it is done already, beside those who write (migrations/online); a default that is the same for all
-- rows rewrites none of them, and the one that later rows need takes its place at once.
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

UPDATE workflow_failures SET status = 'resolved', due_at = NULL WHERE resolved AND status = 'pending';

DROP INDEX IF EXISTS workflow_failures_behind;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'workflow_failures'::regclass
                    AND conname = 'workflow_failures_status_known' AND convalidated) THEN
    ALTER TABLE workflow_failures DROP CONSTRAINT IF EXISTS workflow_failures_status_known,
      ADD CONSTRAINT workflow_failures_status_known CHECK (
        status IN ('pending', 'deferred', 'awaiting_approval', 'needs_person', 'resolved', 'given_up'));
  END IF;
  -- An open failure always has a time at which it is looked at again: none can be forgotten.
  IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'workflow_failures'::regclass
                    AND conname = 'workflow_failures_open_is_due' AND convalidated) THEN
    ALTER TABLE workflow_failures DROP CONSTRAINT IF EXISTS workflow_failures_open_is_due,
      ADD CONSTRAINT workflow_failures_open_is_due CHECK ((status IN ('resolved', 'given_up')) = (due_at IS NULL));
  END IF;
END
$$;
ALTER TABLE workflow_failures
  ADD CONSTRAINT workflow_failures_resolved_is_status CHECK (resolved = (status = 'resolved')),
  -- A member may insert any time that Postgres knows; the drivers of most languages cannot read 4000 BC or infinity,
  -- and one such row would then stop whoever reads it together with others.
  ADD CONSTRAINT workflow_failures_detected_is_readable CHECK (
    detected_at >= '0001-01-02 00:00:00+00' AND detected_at < '9999-12-31 00:00:00+00') NOT VALID;

CREATE INDEX IF NOT EXISTS workflow_failures_due ON workflow_failures (org_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS workflow_failures_waiting ON workflow_failures (waits_on, due_at) WHERE waits_on IS NOT NULL;

-- An attempt of the healer has a step; one that a member inserted has none, and counts for nothing.
ALTER TABLE workflow_heal_attempts
  ADD COLUMN step integer,
  ADD COLUMN finished_at timestamptz;

-- The live heals. A row's owner is the only process that may settle it: that is the fence.
CREATE TABLE heal_owner (
  owner text PRIMARY KEY,
  lease_until timestamptz NOT NULL,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE heal_claim (
  scope text PRIMARY KEY,
  failure_id uuid NOT NULL UNIQUE,
  attempt_id uuid NOT NULL UNIQUE,
  step integer NOT NULL,
  org_id uuid NOT NULL,
  strategy text NOT NULL,
  effect text NOT NULL CHECK (effect IN ('none', 'idempotent', 'keyed', 'unsafe')),
  idem_key text,
  owner text NOT NULL,
  begun boolean NOT NULL DEFAULT false,
  claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  effect_deadline timestamptz NOT NULL,
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
-- No index on owner: the table holds live heals only, and one would be written twice for each.
COMMENT ON COLUMN heal_claim.held IS 'Credits held for this heal, in millionths of an AUD';

-- Messages that a transaction decided to send. No foreign key: a dead letter has no failure, and an organisation may go.
CREATE TABLE heal_outbox (
  id uuid PRIMARY KEY,
  failure_id uuid,
  step integer NOT NULL DEFAULT 0,
  rank smallint NOT NULL DEFAULT 0,
  owner text NOT NULL,
  topic text NOT NULL,
  key bytea,
  headers bytea NOT NULL,
  body bytea,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE heal_outbox ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX heal_outbox_failure ON heal_outbox (failure_id) WHERE failure_id IS NOT NULL;
CREATE INDEX heal_outbox_created ON heal_outbox (created_at);
COMMENT ON COLUMN heal_outbox.rank IS 'Order within one step of one failure: the attempt first, then the status';

-- Credits: the platform's wallet and ledger, with what makes a hold settle at most once.
ALTER TABLE token_usage_events
  ADD COLUMN IF NOT EXISTS attempt_id uuid,
  ADD COLUMN IF NOT EXISTS phase text CHECK (phase IN ('hold', 'settle'));
CREATE UNIQUE INDEX IF NOT EXISTS token_usage_events_once ON token_usage_events (attempt_id, phase)
  WHERE attempt_id IS NOT NULL;
ALTER TABLE token_wallets
  ADD CONSTRAINT token_wallets_never_negative CHECK (text_budget_aud >= 0 AND voice_budget_aud >= 0) NOT VALID;

-- Nobody but the service touches the tables that are only ours.
ALTER TABLE heal_owner ENABLE ROW LEVEL SECURITY;
ALTER TABLE heal_claim ENABLE ROW LEVEL SECURITY;
ALTER TABLE heal_outbox ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON heal_owner, heal_claim, heal_outbox FROM PUBLIC, anon, authenticated;

-- A signed-in user works with the seed's columns; what stands beside them is the healer's alone.
REVOKE ALL ON workflow_failures, workflow_heal_attempts FROM PUBLIC, anon, authenticated;
GRANT SELECT (id, org_id, workflow_name, failure_reason, context, detected_at, resolved),
      INSERT (id, org_id, workflow_name, failure_reason, context, detected_at, resolved),
      UPDATE (workflow_name, failure_reason, context, detected_at, resolved)
  ON workflow_failures TO authenticated;
GRANT SELECT (id, failure_id, attempted_at, strategy, result, details),
      INSERT (id, failure_id, attempted_at, strategy, result, details)
  ON workflow_heal_attempts TO authenticated;

-- A member's own row: open, and under an id that no event and no attempt of ours can ever have (ours are version 5).
-- Without this, a guessed id would make a real event look like a second delivery, or block a settle.
CREATE FUNCTION shw_member_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF substr(NEW.id::text, 15, 1) = '5' THEN
    RAISE EXCEPTION 'An id of UUID version 5 is the healer''s own: leave id out, or give a random one (version 4).'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;
CREATE FUNCTION shw_member_failure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.resolved THEN
    RAISE EXCEPTION 'A failure is recorded unresolved: leave resolved out; an owner or admin may resolve it afterwards.'
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER shw_member_row BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (current_user IN ('authenticated', 'anon')) EXECUTE FUNCTION shw_member_row();
CREATE TRIGGER shw_member_failure BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (current_user IN ('authenticated', 'anon')) EXECUTE FUNCTION shw_member_failure();
CREATE TRIGGER shw_member_row BEFORE INSERT ON workflow_heal_attempts
  FOR EACH ROW WHEN (current_user IN ('authenticated', 'anon')) EXECUTE FUNCTION shw_member_row();

-- `resolved` is the seed's word for it and `status` is ours: whoever turns one by hand turns the other, and the step
-- moves, so that a heal that is still under way records its attempt and leaves the person's decision alone.
CREATE FUNCTION shw_resolved_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.status := CASE WHEN NEW.resolved THEN 'resolved' ELSE 'pending' END;
  NEW.due_at := CASE WHEN NEW.resolved THEN NULL ELSE clock_timestamp() END;
  NEW.step := OLD.step + 1;
  NEW.attempts := CASE WHEN NEW.resolved THEN OLD.attempts ELSE 0 END;
  NEW.waits_on := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER shw_resolved_by_hand BEFORE UPDATE OF resolved ON workflow_failures
  FOR EACH ROW WHEN (NEW.resolved IS DISTINCT FROM OLD.resolved AND NEW.status = OLD.status)
  EXECUTE FUNCTION shw_resolved_by_hand();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
