-- migrate:up

-- What a wallet is owed that somebody else held locked when a heal ended: applied in order, once, by whoever locks the
-- wallet next. No foreign key: its check would wait for the organisation's row. A running 113 goes on beside it.
CREATE TABLE heal_owed (
  attempt_id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  amount bigint NOT NULL,
  event_type text NOT NULL,
  place bigint GENERATED ALWAYS AS IDENTITY,
  owed_since timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX heal_owed_organisation ON heal_owed (org_id);
COMMENT ON COLUMN heal_owed.amount IS 'In millionths of an AUD; the phase is settle';
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
