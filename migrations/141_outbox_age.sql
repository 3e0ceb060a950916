-- migrate:up

-- How long a message has been decided and is not published. `created_at` is when it was last taken to be sent, and that
-- begins anew with every try: by it no message grew old while the broker was away. A running 140 goes on beside it; what
-- it writes has the default.
ALTER TABLE heal_outbox ADD COLUMN decided_at timestamptz NOT NULL DEFAULT clock_timestamp();
COMMENT ON COLUMN heal_outbox.decided_at IS 'When its transaction decided to send it; tries to send it leave this as it is';

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
