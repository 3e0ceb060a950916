-- migrate:up

-- What became of each missed billing event of an account, by the processor's id of it: none is applied a second time, whichever
-- process or attempt goes on. A running 137 goes on beside it, and applies none. No foreign keys, as elsewhere.
CREATE TABLE heal_billing_event (
  org_id uuid NOT NULL,
  account text NOT NULL,
  event_id text NOT NULL,
  type text NOT NULL,
  object_id text NOT NULL,
  created bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('applied', 'present', 'held', 'failed')),
  why text NOT NULL,
  attempt_id uuid NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, account, event_id)
);
CREATE INDEX heal_billing_event_attempt ON heal_billing_event (attempt_id);
CREATE INDEX heal_billing_event_age ON heal_billing_event (org_id, account, noted_at);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
