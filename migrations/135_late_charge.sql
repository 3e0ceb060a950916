-- migrate:up

-- What a provider charged for a heal in a process that had lost its claim, and told so afterwards: each is counted once,
-- whatever is answered to it. Forgotten after a week. A running 134 goes on beside it, and forgets such charges.
CREATE TABLE heal_late_charge (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  attempt_id uuid NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  counted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
