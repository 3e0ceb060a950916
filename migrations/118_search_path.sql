-- migrate:up

-- A function of ours finds tables, functions and operators in our schema and nowhere else. Without `pg_temp` at the end of
-- the path a temporary table or view comes first, and everybody may make one: a temporary `user_organizations` made a
-- plain member an owner, and what a temporary view calls ran with the rights of the owner of a SECURITY DEFINER function.
-- A running 117 goes on beside it.
SET LOCAL lock_timeout = '1500ms';

-- As in 110, and from now on the functions that a migration makes find only what is ours.
CREATE OR REPLACE FUNCTION shw_keep_private() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT c.oid::regclass AS name, c.relkind, c.relrowsecurity FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
       AND c.relname ~ '^(heal|intake|producer|shw)_' AND pg_has_role(c.relowner, 'USAGE')
  LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC, anon, authenticated',
                   CASE one.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, one.name);
    -- The role that migrates owns its table and is not bound; the service looks there before it knows that it is not.
    IF one.relkind IN ('r', 'p') AND NOT one.relrowsecurity AND one.name <> to_regclass('shw_migrations') THEN
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', one.name);
    END IF;
  END LOOP;
  FOR one IN
    SELECT p.oid::regprocedure AS name FROM pg_proc p
     WHERE p.pronamespace = current_schema()::regnamespace AND p.proname ~ '^shw_' AND pg_has_role(p.proowner, 'USAGE')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, anon, authenticated', one.name);
    -- Not shw_history, which reads no table: a path of its own would keep it from being inlined into each claim.
    IF one.name <> to_regprocedure('shw_history()') THEN
      EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one.name, current_schema());
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION shw_keep_private IS 'Takes from everybody but their owner, and whom it was granted by name, what is the healer''s own, and binds its functions to its schema';

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
