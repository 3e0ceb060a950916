-- migrate:up

-- What a failure's ladder has tried since the failure was last begun anew: attempts by strategy, strategies that refused
-- to act, and the one whose effect may have happened. NULL: nothing yet; a running 104 neither reads nor writes it.
ALTER TABLE workflow_failures ADD COLUMN rungs jsonb;
COMMENT ON COLUMN workflow_failures.rungs IS 'What the ladder has tried: {"attempts": {strategy: n}, "spent": [...], "unsure": strategy}';

-- Whoever opens a failure again, by whatever way and by whichever release, begins at the foot of its ladder. Named so
-- that it runs after shw_resolved_by_hand, which turns `due_at` when a member turns `resolved`.
CREATE FUNCTION shw_rungs_begun_anew() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.rungs := NULL;
  RETURN NEW;
END
$$;
CREATE TRIGGER shw_rungs_begun_anew BEFORE UPDATE OF status, resolved ON workflow_failures
  FOR EACH ROW WHEN (OLD.due_at IS NULL AND NEW.due_at IS NOT NULL AND NEW.rungs IS NOT NULL)
  EXECUTE FUNCTION shw_rungs_begun_anew();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
