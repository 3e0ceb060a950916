-- migrate:up

-- What is ours is nobody else's, also where the server's default privileges grant everything to everybody, as Supabase's
-- do. A running 109 goes on beside it: its role gets what it needs below.
SET LOCAL lock_timeout = '1500ms';

-- To be called at the end of each migration that makes a table, a sequence or a function. Names of ours begin with heal_,
-- intake_, producer_ or shw_. `service_role` is left as it is: it bypasses row-level security, and is the platform's own.
CREATE FUNCTION shw_keep_private() RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
  END LOOP;
END
$$;
COMMENT ON FUNCTION shw_keep_private IS 'Takes from everybody but their owner, and whom it was granted by name, what is the healer''s own';

-- Whoever claims writes the history of the database into the claim: until now everybody could call the function.
DO $$
DECLARE
  claimer text;
BEGIN
  FOR claimer IN
    SELECT r.rolname FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a JOIN pg_roles r ON r.oid = a.grantee
     WHERE c.oid = 'heal_claim'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION shw_history() TO %I', claimer);
  END LOOP;
END
$$;

-- The platform's tables where 100 made them, told by their columns: as 100 meant them to be. On the platform these have
-- columns of their own, and stay as they are.
DO $$
DECLARE
  made record;
BEGIN
  FOR made IN
    SELECT x.name, x.granted FROM (VALUES
      ('organizations', NULL, 'id name created_at'),
      ('user_organizations', 'SELECT', 'user_id org_id role'),
      ('token_wallets', 'SELECT', 'org_id tier voice_tokens text_tokens voice_budget_aud text_budget_aud renew_day '
        'auto_topup topup_amount_aud created_at updated_at'),
      ('token_usage_events', 'SELECT', 'id org_id event_type amount remaining metadata created_at attempt_id phase'),
      ('usage_lockouts', 'SELECT', 'id org_id lockout_type reason locked_at unlocked_at unlocked_by metadata'),
      ('usage_warnings', 'SELECT, UPDATE (acknowledged_at, acknowledged_by)',
       'id org_id warning_type threshold_percent message acknowledged_at acknowledged_by created_at')
    ) AS x (name, granted, columns) JOIN pg_class c ON c.oid = to_regclass(x.name)
     WHERE pg_has_role(c.relowner, 'USAGE')
       AND x.columns = (SELECT string_agg(a.attname, ' ' ORDER BY a.attnum) FROM pg_attribute a
                         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
  LOOP
    EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, anon, authenticated', made.name);
    IF made.granted IS NULL THEN
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', made.name);
    ELSE
      EXECUTE format('GRANT %s ON %I TO authenticated', made.granted, made.name);
    END IF;
  END LOOP;
END
$$;

-- A member is whoever row-level security binds, by whatever name: a role that inherits `authenticated` is one too.
CREATE OR REPLACE TRIGGER shw_member_row BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (row_security_active('workflow_failures'::regclass)) EXECUTE FUNCTION shw_member_row();
CREATE OR REPLACE TRIGGER shw_member_failure BEFORE INSERT ON workflow_failures
  FOR EACH ROW WHEN (row_security_active('workflow_failures'::regclass)) EXECUTE FUNCTION shw_member_failure();
CREATE OR REPLACE TRIGGER shw_member_row BEFORE INSERT ON workflow_heal_attempts
  FOR EACH ROW WHEN (row_security_active('workflow_heal_attempts'::regclass)) EXECUTE FUNCTION shw_member_row();

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
