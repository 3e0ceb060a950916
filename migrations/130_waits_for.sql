-- migrate:up

-- What a suspended heal waits for, in its strategy's words: an operator reads it. A running 129 goes on beside it: what it
-- suspends keeps the words of the suspension before.
SET LOCAL lock_timeout = '1500ms';
ALTER TABLE heal_claim ADD COLUMN waits_for text;
COMMENT ON COLUMN heal_claim.waits_for IS 'What it waited for when it was last suspended, in words; redacted';

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
