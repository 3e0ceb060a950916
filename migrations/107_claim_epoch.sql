-- migrate:up

-- A process that was stopped may lose a claim to another one and, when that one dies, take it back: what it knew of the
-- claim before is then of an earlier epoch, and settles nothing. A running 106 goes on beside it.
ALTER TABLE heal_claim ADD COLUMN epoch integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN heal_claim.epoch IS 'How often it was taken over; the fence is owner and epoch together';

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
