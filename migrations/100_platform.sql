-- migrate:up

-- What the platform's database has and a plain Postgres lacks. Everything here is left alone where it
-- already stands, so that the same files run on the platform, on a laptop and in the tests.

CREATE SCHEMA IF NOT EXISTS auth;

DO $$
DECLARE
  missing text;
BEGIN
  FOREACH missing IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = missing) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- roles belong to the whole server: another database's migration was quicker
      END;
    END IF;
  END LOOP;

  IF to_regprocedure('auth.uid()') IS NULL THEN
    EXECUTE $f$
      CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
      $body$ SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $body$
    $f$;
    GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    GRANT EXECUTE ON FUNCTION auth.uid() TO anon, authenticated, service_role;
  END IF;

  -- Found by its name on the search path, as the seed's defaults call it: uuid-ossp may live in another schema.
  IF to_regprocedure('uuid_generate_v4()') IS NULL THEN
    EXECUTE 'CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql VOLATILE AS $body$ SELECT gen_random_uuid() $body$';
  END IF;

  IF to_regclass('public.organizations') IS NULL THEN
    CREATE TABLE public.organizations (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      name text NOT NULL DEFAULT '',
      created_at timestamptz NOT NULL DEFAULT now()
    );
  END IF;

  IF to_regclass('public.user_organizations') IS NULL THEN
    CREATE TABLE public.user_organizations (
      user_id uuid NOT NULL,
      org_id uuid NOT NULL REFERENCES public.organizations(id) ON DELETE CASCADE,
      role text NOT NULL DEFAULT 'member',
      PRIMARY KEY (user_id, org_id)
    );
    ALTER TABLE public.user_organizations ENABLE ROW LEVEL SECURITY;
    CREATE POLICY user_organizations_select ON public.user_organizations
      FOR SELECT TO authenticated USING (user_id = auth.uid());
    GRANT SELECT ON public.user_organizations TO authenticated;
  END IF;

  IF to_regclass('public.token_wallets') IS NULL THEN
    CREATE TABLE public.token_wallets (
      org_id uuid NOT NULL UNIQUE REFERENCES public.organizations(id) ON DELETE CASCADE,
      tier text NOT NULL DEFAULT 'tier1' CHECK (tier IN ('tier1', 'tier2', 'tier3', 'custom')),
      voice_tokens bigint NOT NULL DEFAULT 0,
      text_tokens bigint NOT NULL DEFAULT 0,
      voice_budget_aud numeric NOT NULL DEFAULT 0,
      text_budget_aud numeric NOT NULL DEFAULT 0,
      renew_day int NOT NULL DEFAULT 1 CHECK (renew_day BETWEEN 1 AND 31),
      auto_topup boolean NOT NULL DEFAULT false,
      topup_amount_aud numeric,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE public.token_wallets ENABLE ROW LEVEL SECURITY;
    CREATE POLICY token_wallets_select ON public.token_wallets
      FOR SELECT TO authenticated
      USING (org_id IN (SELECT m.org_id FROM public.user_organizations m
                         WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin')));
    GRANT SELECT ON public.token_wallets TO authenticated;
  END IF;

  IF to_regclass('public.token_usage_events') IS NULL THEN
    CREATE TABLE public.token_usage_events (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      org_id uuid NOT NULL REFERENCES public.organizations(id) ON DELETE CASCADE,
      event_type text NOT NULL
        CHECK (event_type IN ('voice_consume', 'text_consume', 'topup', 'renewal', 'adjustment')),
      amount numeric NOT NULL,
      remaining numeric NOT NULL,
      metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    ALTER TABLE public.token_usage_events ENABLE ROW LEVEL SECURITY;
    CREATE POLICY token_usage_events_select ON public.token_usage_events
      FOR SELECT TO authenticated
      USING (org_id IN (SELECT m.org_id FROM public.user_organizations m
                         WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin')));
    GRANT SELECT ON public.token_usage_events TO authenticated;
  END IF;

  IF to_regclass('public.usage_lockouts') IS NULL THEN
    CREATE TABLE public.usage_lockouts (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      org_id uuid NOT NULL REFERENCES public.organizations(id) ON DELETE CASCADE,
      lockout_type text NOT NULL CHECK (lockout_type IN ('voice', 'text', 'both')),
      reason text NOT NULL,
      locked_at timestamptz NOT NULL DEFAULT now(),
      unlocked_at timestamptz,
      unlocked_by uuid,
      metadata jsonb NOT NULL DEFAULT '{}'::jsonb
    );
    CREATE INDEX usage_lockouts_active ON public.usage_lockouts (org_id) WHERE unlocked_at IS NULL;
    ALTER TABLE public.usage_lockouts ENABLE ROW LEVEL SECURITY;
    CREATE POLICY usage_lockouts_select ON public.usage_lockouts
      FOR SELECT TO authenticated
      USING (org_id IN (SELECT m.org_id FROM public.user_organizations m
                         WHERE m.user_id = auth.uid() AND m.role IN ('owner', 'admin')));
    GRANT SELECT ON public.usage_lockouts TO authenticated;
  END IF;

  IF to_regclass('public.usage_warnings') IS NULL THEN
    CREATE TABLE public.usage_warnings (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      org_id uuid NOT NULL REFERENCES public.organizations(id) ON DELETE CASCADE,
      warning_type text NOT NULL
        CHECK (warning_type IN ('voice_low', 'text_low', 'voice_critical', 'text_critical')),
      threshold_percent int NOT NULL,
      message text NOT NULL,
      acknowledged_at timestamptz,
      acknowledged_by uuid,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX usage_warnings_one_open ON public.usage_warnings (org_id, warning_type)
      WHERE acknowledged_at IS NULL;
    ALTER TABLE public.usage_warnings ENABLE ROW LEVEL SECURITY;
    CREATE POLICY usage_warnings_select ON public.usage_warnings
      FOR SELECT TO authenticated
      USING (org_id IN (SELECT m.org_id FROM public.user_organizations m WHERE m.user_id = auth.uid()));
    CREATE POLICY usage_warnings_acknowledge ON public.usage_warnings
      FOR UPDATE TO authenticated
      USING (org_id IN (SELECT m.org_id FROM public.user_organizations m WHERE m.user_id = auth.uid()));
    GRANT SELECT, UPDATE (acknowledged_at, acknowledged_by) ON public.usage_warnings TO authenticated;
  END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO anon, authenticated, service_role;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
