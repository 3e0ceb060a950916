-- migrate:up

-- Plans that wait for a person's yes, and the answers. A running 124 goes on beside it: it knows no `approval:` in a
-- catalog, refuses one that has it, and carries out what its own catalog allows.
SET LOCAL lock_timeout = '1500ms';

-- The plan of a failure that was asked for last. One row each: what is asked again replaces what nobody answered.
CREATE TABLE heal_approval (
  failure_id uuid PRIMARY KEY REFERENCES workflow_failures (id) ON DELETE CASCADE,
  org_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('asked', 'approved', 'denied', 'expired')),
  step integer NOT NULL,
  valid_step integer NOT NULL,
  strategy text NOT NULL,
  plan_hash text NOT NULL CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
  base_hash text NOT NULL CHECK (base_hash ~ '^[0-9a-f]{64}$'),
  edits text,
  plan jsonb NOT NULL,
  why jsonb NOT NULL,
  asked integer NOT NULL CHECK (asked >= 0),
  asks integer NOT NULL CHECK (asks >= 1),
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  valid_for double precision NOT NULL CHECK (valid_for > 0),
  approvers integer NOT NULL CHECK (approvers >= 1),
  self_approval boolean NOT NULL,
  fingerprint text,
  denied jsonb NOT NULL DEFAULT '{}',
  changes jsonb,
  approved_by jsonb NOT NULL DEFAULT '[]'
);
COMMENT ON TABLE heal_approval IS 'The plan of a failure that was asked for last, and where it stands';
COMMENT ON COLUMN heal_approval.step IS 'Of the failure when it was asked for: an answer names it, and the hash';
COMMENT ON COLUMN heal_approval.valid_step IS 'Of the failure at which the row holds: while it is asked for, or of the one heal that was approved';
COMMENT ON COLUMN heal_approval.base_hash IS 'Of the plan without what was added at the gate, which is known before the heal begins';
COMMENT ON COLUMN heal_approval.asked IS 'How often without a heal in between; 0 once somebody has asked for a heal of what nobody answered';
COMMENT ON COLUMN heal_approval.denied IS 'Why, by strategy that was denied since the failure was last opened';
-- What nobody answers; and what makes a fingerprint known.
CREATE INDEX heal_approval_expiring ON heal_approval (expires_at) WHERE state = 'asked';
CREATE INDEX heal_approval_known ON heal_approval (fingerprint) WHERE state = 'approved' AND fingerprint IS NOT NULL;

-- Every answer, for as long as its failure is kept.
CREATE TABLE heal_approval_answer (
  failure_id uuid NOT NULL REFERENCES workflow_failures (id) ON DELETE CASCADE,
  step integer NOT NULL,
  answered_by text NOT NULL,
  approves boolean NOT NULL,
  plan_hash text NOT NULL,
  changed_hash text,
  changes jsonb,
  reason text NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, step, answered_by)
);
COMMENT ON TABLE heal_approval_answer IS 'Who approved or denied which plan, and why';
COMMENT ON COLUMN heal_approval_answer.changed_hash IS 'Of the plan with the person''s changes, which the answer covers';

-- Whoever opens a closed failure again asks anew: neither what was denied nor what was approved holds any more. As the
-- tables' owner: a member has no right to approvals.
CREATE FUNCTION shw_approval_begun_anew() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path FROM CURRENT AS $$
BEGIN
  DELETE FROM heal_approval WHERE failure_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER shw_approval_begun_anew AFTER UPDATE OF status, resolved ON workflow_failures
  FOR EACH ROW WHEN (OLD.due_at IS NULL AND NEW.due_at IS NOT NULL)
  EXECUTE FUNCTION shw_approval_begun_anew();

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
