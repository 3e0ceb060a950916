-- migrate:up

-- What members have open already: first, before anything below locks the table. A row that comes in meanwhile has no
-- size, and is measured before it is read.
UPDATE workflow_failures f
   SET size = octet_length(f.workflow_name) + octet_length(f.failure_reason)
              + coalesce(octet_length(f.context::text), 0)
 WHERE f.source IS NULL AND f.due_at IS NOT NULL;

-- How large a row of a member may be, and how much one organisation's members may leave open: each organisation for
-- itself, so that no member's INSERT takes anything from the intake of the others. One row; an operator may change it.
CREATE TABLE intake_member_limit (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  row_bytes integer NOT NULL DEFAULT 1048576 CHECK (row_bytes > 0),
  depth integer NOT NULL DEFAULT 100 CHECK (depth BETWEEN 1 AND 100),
  open_rows integer NOT NULL DEFAULT 10000 CHECK (open_rows > 0),
  open_bytes bigint NOT NULL DEFAULT 268435456 CHECK (open_bytes > 0)
);
INSERT INTO intake_member_limit DEFAULT VALUES;
COMMENT ON COLUMN intake_member_limit.row_bytes IS 'Bytes of workflow_name, failure_reason and context together, in one row';
COMMENT ON COLUMN intake_member_limit.depth IS 'Levels of objects and arrays in context; deeper than 100 nobody reads';
COMMENT ON COLUMN intake_member_limit.open_rows IS 'Open failures of one organisation that its members have inserted';

-- What is counted for one organisation, and picked beside what came from Kafka.
CREATE INDEX workflow_failures_of_members ON workflow_failures (org_id, due_at) INCLUDE (size)
  WHERE source IS NULL AND due_at IS NOT NULL;

-- Counted for every row that is not the healer's own, by whatever role: a row without a size is one that came in while
-- triggers were off, and is measured before it is read.
CREATE FUNCTION shw_size_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.size := octet_length(NEW.workflow_name) + octet_length(NEW.failure_reason)
              + coalesce(octet_length(NEW.context::text), 0);
  RETURN NEW;
END
$$;
-- Named so that it runs after the one above. As the table's owner: members have no right to the limits.
CREATE FUNCTION shw_size_limited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  allowed intake_member_limit%ROWTYPE;
BEGIN
  SELECT * INTO STRICT allowed FROM intake_member_limit;
  IF NEW.size > allowed.row_bytes THEN
    RAISE EXCEPTION 'This failure is too large: workflow_name, failure_reason and context have % bytes together, and % are allowed.',
      NEW.size, allowed.row_bytes
      USING ERRCODE = 'program_limit_exceeded',
            HINT = 'Leave out what no heal needs, or store it elsewhere and put its address into context.';
  END IF;
  IF jsonb_path_exists(NEW.context, ('strict $.**{' || allowed.depth
                                     || '} ? (@.type() == "object" || @.type() == "array")')::jsonpath) THEN
    RAISE EXCEPTION 'context is nested too deep: more than % levels of objects and arrays, and % are allowed.',
      allowed.depth, allowed.depth
      USING ERRCODE = 'program_limit_exceeded', HINT = 'Send what lies below as a JSON string.';
  END IF;
  RETURN NEW;
END
$$;

-- A member is whoever row-level security binds, by whatever name.
CREATE TRIGGER shw_size_counted BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (NEW.source IS NULL) EXECUTE FUNCTION shw_size_counted();
CREATE TRIGGER shw_size_counted_anew BEFORE UPDATE OF workflow_name, failure_reason, context ON workflow_failures
  FOR EACH ROW EXECUTE FUNCTION shw_size_counted();
CREATE TRIGGER shw_size_limited BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (NEW.source IS NULL
                     AND row_security_active('workflow_failures'::regclass))
  EXECUTE FUNCTION shw_size_limited();
CREATE TRIGGER shw_size_limited_anew BEFORE UPDATE OF workflow_name, failure_reason, context ON workflow_failures
  FOR EACH ROW WHEN (row_security_active('workflow_failures'::regclass))
  EXECUTE FUNCTION shw_size_limited();

-- An organisation's share, counted once a statement and never further than the limit. Members of one organisation wait
-- here for each other, and for nobody else: two statements at once would each see room for all of theirs.
CREATE FUNCTION shw_member_share() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  allowed intake_member_limit%ROWTYPE;
  organisation uuid;
  now_open bigint;
  now_bytes bigint;
BEGIN
  SELECT * INTO STRICT allowed FROM intake_member_limit;
  FOR organisation IN SELECT DISTINCT a.org_id FROM added a ORDER BY a.org_id LOOP
    PERFORM pg_advisory_xact_lock(20533, hashtext(organisation::text));
    SELECT count(*), coalesce(sum(o.size), 0) INTO now_open, now_bytes
      FROM (SELECT f.size FROM workflow_failures f
             WHERE f.org_id = organisation AND f.source IS NULL AND f.due_at IS NOT NULL
             LIMIT allowed.open_rows + 1) AS o;
    IF now_open > allowed.open_rows OR now_bytes > allowed.open_bytes THEN
      RAISE EXCEPTION 'Too many open failures: with this INSERT the members of organisation % would have more than its share of % open failures, or of % bytes in them.',
        organisation, allowed.open_rows, allowed.open_bytes
        USING ERRCODE = 'configuration_limit_exceeded',
              HINT = 'Nothing was stored. Insert fewer, or wait until some are healed or given up.';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
CREATE TRIGGER shw_member_share AFTER INSERT ON workflow_failures
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT
  WHEN (row_security_active('workflow_failures'::regclass))
  EXECUTE FUNCTION shw_member_share();

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
