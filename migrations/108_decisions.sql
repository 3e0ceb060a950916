-- migrate:up

-- A person's decision revokes the live claim of its failure: what has not begun under it never begins. A running 107
-- goes on beside it; it neither reads nor writes what is added here.
ALTER TABLE heal_claim
  ADD COLUMN revoked boolean NOT NULL DEFAULT false,
  ADD COLUMN parked_step integer;
COMMENT ON COLUMN heal_claim.revoked IS 'A person has decided while it was live: no effect starts under it any more';
COMMENT ON COLUMN heal_claim.parked_step IS 'Step of the failure when the claim was parked: only a later decision lets it go';
-- Read by each process twice a second: empty but for decisions under way.
CREATE INDEX heal_claim_revoked ON heal_claim (owner) WHERE revoked;

-- What is known of the world outlives what a person decides of the failure.
ALTER TABLE workflow_failures ADD COLUMN effect_made boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN workflow_failures.effect_made IS 'A heal has made an effect that carries no key: it is made again only once a person says that it did not happen';

-- A lease is judged by whether it is renewed, and not by the clock: who takes over has seen the same count for a whole
-- lease on its own monotonic clock.
ALTER TABLE heal_owner ADD COLUMN renewals bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN heal_owner.renewals IS 'How often the lease was renewed';

-- The history of the database: a failover or a restore to a point in time begins another one. Claims that come back in
-- a later history have ended in the earlier one for all that subscribers know, so their attempts get ids of their own.
DO $$
BEGIN
  PERFORM pg_walfile_name(pg_current_wal_lsn());
  CREATE FUNCTION shw_history() RETURNS integer LANGUAGE sql VOLATILE AS
    'SELECT (''x'' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer';
EXCEPTION WHEN OTHERS THEN
  -- A service that hides its log: the ids that are drawn for each claim have to do.
  CREATE FUNCTION shw_history() RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0';
END
$$;
COMMENT ON FUNCTION shw_history IS 'The timeline of the write-ahead log: greater after each failover or restore to a point in time';
ALTER TABLE heal_claim ADD COLUMN history integer;
ALTER TABLE heal_claim ALTER COLUMN history SET DEFAULT shw_history();
COMMENT ON COLUMN heal_claim.history IS 'The history of the database in which its attempt id was drawn';

-- Changes of status that no transaction of the healer has told: it tells them from here.
CREATE TABLE heal_status_change (
  failure_id uuid NOT NULL,
  step integer NOT NULL,
  status text NOT NULL,
  reason text NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, step)
);
COMMENT ON TABLE heal_status_change IS 'Changes of status by hand, or learnt after a decision, that are to be published';
COMMENT ON COLUMN heal_status_change.step IS 'Of the failure after the change';
ALTER TABLE heal_status_change ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON heal_status_change FROM PUBLIC, anon, authenticated;

-- Whoever turns `resolved` or `status` by hand (a member, the console, an operator in SQL) decides: the other column
-- follows, the step moves, a live claim is revoked, and the change is told. A failure of which an effect may have
-- happened is opened again for a person alone. As the tables' owner: a member has no right to claims.
CREATE OR REPLACE FUNCTION shw_resolved_by_hand() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path FROM CURRENT AS $$
DECLARE
  under_way boolean;
  who text := coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', session_user);
BEGIN
  IF NEW.status = OLD.status THEN
    NEW.status := CASE WHEN NEW.resolved THEN 'resolved' WHEN OLD.unsure OR OLD.effect_made THEN 'needs_person' ELSE 'pending' END;
  ELSIF NEW.status IN ('pending', 'deferred') AND (OLD.unsure OR OLD.effect_made)
        AND OLD.status IN ('resolved', 'given_up') THEN
    NEW.status := 'needs_person';
  END IF;
  NEW.resolved := NEW.status = 'resolved';
  NEW.due_at := CASE WHEN NEW.status IN ('resolved', 'given_up') THEN NULL
                     WHEN NEW.status IN ('needs_person', 'awaiting_approval') THEN clock_timestamp() + interval '1 day'
                     WHEN NEW.due_at IS NOT NULL AND NEW.due_at IS DISTINCT FROM OLD.due_at THEN NEW.due_at
                     ELSE clock_timestamp() END;
  UPDATE heal_claim SET revoked = true WHERE failure_id = OLD.id AND owner <> 'parked' AND NOT revoked;
  -- A heal under way has the step after its own for what it tells of its end.
  SELECT EXISTS (SELECT FROM heal_claim WHERE failure_id = OLD.id AND step = OLD.step AND owner <> 'parked')
    INTO under_way;
  NEW.step := OLD.step + 1 + under_way::integer;
  NEW.attempts := CASE WHEN OLD.due_at IS NULL AND NEW.due_at IS NOT NULL THEN 0 ELSE OLD.attempts END;
  NEW.waits_on := NULL;
  NEW.damage := NULL;
  NEW.twin := NULL;
  INSERT INTO heal_status_change (failure_id, step, status, reason)
  VALUES (OLD.id, NEW.step, NEW.status, 'changed in the database by ' || left(who, 200))
  ON CONFLICT DO NOTHING;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION shw_resolved_by_hand() FROM PUBLIC;
DROP TRIGGER shw_resolved_by_hand ON workflow_failures;
-- The healer's own changes move the step themselves; a deferred failure that it begins again is its own business too.
CREATE TRIGGER shw_resolved_by_hand BEFORE UPDATE OF resolved, status ON workflow_failures
  FOR EACH ROW WHEN (NEW.step = OLD.step
                     AND (NEW.resolved IS DISTINCT FROM OLD.resolved OR NEW.status IS DISTINCT FROM OLD.status)
                     AND NOT (OLD.status = 'deferred' AND NEW.status = 'pending'))
  EXECUTE FUNCTION shw_resolved_by_hand();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
