-- migrate:up

-- Voices are paid from the wallet's voice budget. Which of the two pays for a heal stands beside what it holds, is owed
-- and owes. `charged` is what a heal has cost so far, as it was when its state was kept, or when its outcome became
-- unknown. A running 131 goes on beside it; of claims that pay from the voice budget, which only this release makes, it
-- would give the hold back to the text budget: let the catalog list strategies of voices once all replicas run this one.
ALTER TABLE heal_claim
  ADD COLUMN pays_from text NOT NULL DEFAULT 'text' CHECK (pays_from IN ('text', 'voice')),
  ADD COLUMN charged bigint NOT NULL DEFAULT 0 CHECK (charged >= 0);
COMMENT ON COLUMN heal_claim.charged IS 'Of a kept state, or an unknown outcome: what it has cost, in millionths of an AUD';
ALTER TABLE heal_owed ADD COLUMN pays_from text NOT NULL DEFAULT 'text';
ALTER TABLE heal_debt ADD COLUMN pays_from text NOT NULL DEFAULT 'text';
ALTER TABLE heal_wallet_note ADD COLUMN pays_from text NOT NULL DEFAULT 'text';

-- In the place of heal_wallet_level, which has one row for each organisation, and in which a running 131 goes on to write.
CREATE TABLE heal_budget_level (
  org_id uuid NOT NULL,
  pays_from text NOT NULL,
  filled bigint NOT NULL,
  seen bigint NOT NULL,
  warned smallint NOT NULL DEFAULT 100,
  unpaid bigint,
  looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, pays_from)
);
COMMENT ON COLUMN heal_budget_level.warned IS 'The threshold in percent below which it was warned of; 100: none';
COMMENT ON COLUMN heal_budget_level.unpaid IS 'The least that failures wait for; NULL: none waits';
CREATE INDEX heal_budget_level_watched ON heal_budget_level (looked_at) WHERE warned < 100 OR unpaid IS NOT NULL;
INSERT INTO heal_budget_level SELECT org_id, 'text', filled, seen, warned, unpaid, looked_at FROM heal_wallet_level;
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
