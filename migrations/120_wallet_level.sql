-- migrate:up

-- What is to be looked at of wallets: one row for each time that something was spent, or could not be held. Only ever
-- added by those who settle, so that none waits for another; deleted by whoever looks. No foreign key, as elsewhere.
-- A running 119 goes on beside it, and adds none.
CREATE TABLE heal_wallet_note (
  place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  org_id uuid NOT NULL,
  spent bigint NOT NULL,
  unpaid bigint
);
COMMENT ON COLUMN heal_wallet_note.unpaid IS 'What could not be held, in millionths of an AUD, and its failure waits for';

-- How full a wallet is: what it held when it last rose, and what was seen of it last; both with what heals hold.
CREATE TABLE heal_wallet_level (
  org_id uuid PRIMARY KEY,
  filled bigint NOT NULL,
  seen bigint NOT NULL,
  warned smallint NOT NULL DEFAULT 100,
  unpaid bigint,
  looked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN heal_wallet_level.warned IS 'The threshold in percent below which it was warned of; 100: none';
COMMENT ON COLUMN heal_wallet_level.unpaid IS 'The least that failures wait for; NULL: none waits';
CREATE INDEX heal_wallet_level_watched ON heal_wallet_level (looked_at) WHERE warned < 100 OR unpaid IS NOT NULL;
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
