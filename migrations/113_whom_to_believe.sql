-- migrate:up

-- Who put a failure into the database, and whether anybody of standing has asked for its heal. All of it is written by
-- the triggers and the healer alone. A running 112 goes on beside it: it neither reads nor writes what is added here.
ALTER TABLE workflow_failures
  ADD COLUMN inserted_by uuid,
  ADD COLUMN inserted_as text,
  ADD COLUMN vouched boolean NOT NULL DEFAULT false,
  ADD COLUMN unredacted_since timestamptz;
COMMENT ON COLUMN workflow_failures.inserted_by IS 'auth.uid() of whoever inserted the row; NULL for events and for services';
COMMENT ON COLUMN workflow_failures.inserted_as IS 'Their role in the organisation: owner, admin or member; service for roles that may write the healer''s columns; NULL for events';
COMMENT ON COLUMN workflow_failures.vouched IS 'An owner, an admin or an operator has asked for its heal';
COMMENT ON COLUMN workflow_failures.unredacted_since IS 'When its content was inserted or rewritten in the database, until the healer has redacted it';
CREATE INDEX workflow_failures_unredacted ON workflow_failures (unredacted_since) WHERE unredacted_since IS NOT NULL;

-- As the inserter, whose rights it looks at: who acts for a signed-in user counts by that user's role in the
-- organisation; who may write the healer's own columns is a service or an operator; everybody else is a plain member. The id that
-- they named is taken for a name in their organisation: no insert can meet an id of another organisation, or of an event,
-- and tell by the error that it is there. The same id named again is the same id.
CREATE FUNCTION shw_who_inserted() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  who uuid;
BEGIN
  IF has_schema_privilege('auth', 'USAGE') AND has_function_privilege('auth.uid()', 'EXECUTE') THEN
    who := auth.uid();
  END IF;
  IF who IS NULL AND has_column_privilege(TG_RELID, 'source', 'INSERT') THEN
    NEW.inserted_as := 'service';
  ELSE
    NEW.inserted_as := coalesce((SELECT min(m.role::text) FROM user_organizations m
                                  WHERE m.user_id = who AND m.org_id = NEW.org_id AND m.role::text IN ('admin', 'owner')),
                                'member');
    NEW.id := overlay(overlay(left(encode(sha256(convert_to(NEW.org_id::text || ':' || NEW.id::text, 'UTF8')), 'hex'), 32)
                              PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid;
  END IF;
  NEW.inserted_by := who;
  NEW.vouched := false;
  NEW.unredacted_since := clock_timestamp();
  RETURN NEW;
END
$$;
-- After shw_member_row, which refuses the healer's own ids. An event has a source, and a member cannot give one.
CREATE TRIGGER shw_who_inserted BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (NEW.source IS NULL) EXECUTE FUNCTION shw_who_inserted();

CREATE FUNCTION shw_own_attempt_id() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NOT has_column_privilege(TG_RELID, 'step', 'INSERT') THEN
    NEW.id := overlay(overlay(left(encode(sha256(convert_to(NEW.failure_id::text || ':' || NEW.id::text, 'UTF8')), 'hex'), 32)
                              PLACING '4' FROM 13) PLACING 'a' FROM 17)::uuid;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER shw_own_attempt_id BEFORE INSERT ON workflow_heal_attempts
  FOR EACH ROW WHEN (NEW.step IS NULL) EXECUTE FUNCTION shw_own_attempt_id();

-- What somebody rewrites is redacted like what comes in. The healer, which stores the redacted form, clears the mark.
CREATE FUNCTION shw_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.unredacted_since := clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TRIGGER shw_rewritten BEFORE UPDATE OF workflow_name, failure_reason, context ON workflow_failures
  FOR EACH ROW WHEN ((NEW.workflow_name, NEW.failure_reason, NEW.context)
                     IS DISTINCT FROM (OLD.workflow_name, OLD.failure_reason, OLD.context)
                     AND NOT (OLD.unredacted_since IS NOT NULL AND NEW.unredacted_since IS NULL))
  EXECUTE FUNCTION shw_rewritten();

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
