-- migrate:up

-- The deployment that this database serves: one. Another one would give up this one's failures by its own catalog, and
-- tell of them on its own topics. The first to start after this migration writes its name here.
CREATE TABLE heal_deployment (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  name text NOT NULL,
  named_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
