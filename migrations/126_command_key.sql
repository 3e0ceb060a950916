-- migrate:up

-- Which key signed a command, beside who it says asked: one person is one, whichever of an issuer's keys is in use. A
-- running 125 goes on beside it, and leaves it empty.
ALTER TABLE heal_command ADD COLUMN key_id text NOT NULL DEFAULT '';
COMMENT ON COLUMN heal_command.key_id IS 'The key that signed it; empty for one that was not signed';

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
