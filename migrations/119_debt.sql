-- migrate:up

-- What a provider charged for a heal beyond what was held, and its wallet could not pay. Taken from the wallet once it has
-- something again, before anything is held of it. No foreign key: its check would wait for the organisation's row. A
-- running 118 goes on beside it, and knows nothing of debts.
CREATE TABLE heal_debt (
  attempt_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  strategy text NOT NULL,
  amount bigint NOT NULL CHECK (amount > 0),
  place bigint GENERATED ALWAYS AS IDENTITY,
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX heal_debt_organisation ON heal_debt (org_id, place);
COMMENT ON COLUMN heal_debt.amount IS 'What is left of it, in millionths of an AUD';
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
