-- migrate:up

-- Whoever opens a failure again begins at the foot of its ladder, but for one thing that is known of the world: the
-- strategy that made an effect under its key, or may have. Another one has another key, and would make it once more.
-- A running 108 goes on beside it: it reads `unsure` as this release does, and writes it for fewer effects.
CREATE OR REPLACE FUNCTION shw_rungs_begun_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.rungs := CASE WHEN OLD.rungs ? 'unsure' THEN jsonb_build_object('unsure', OLD.rungs -> 'unsure') END;
  RETURN NEW;
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
