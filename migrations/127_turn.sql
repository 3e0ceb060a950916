-- migrate:up

-- Whose turn it is to change wallets, by bucket of organisations. Until now these were advisory locks, which every session
-- of the database can take, and hold for as long as it lives; of a table's rows only those can that have rights to it. A
-- running 126 goes on beside it: the two do not wait for each other, and what finds a wallet locked is put off as ever.
CREATE TABLE heal_turn (bucket integer PRIMARY KEY);
COMMENT ON TABLE heal_turn IS 'Locked by whoever changes wallets of its organisations: rows are never written';
INSERT INTO heal_turn (bucket) SELECT generate_series(0, 63);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
