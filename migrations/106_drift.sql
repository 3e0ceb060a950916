-- migrate:up

-- How often the payloads of one producer had to be repaired at one place in one way. Enough of them are a finding: it
-- tells the producer how to send them. No value of a payload stands here.
CREATE TABLE producer_drift (
  id uuid PRIMARY KEY,
  org_id uuid NOT NULL,
  source text,
  workflow_name text NOT NULL,
  schema_digest text NOT NULL,
  path text NOT NULL,
  kind text NOT NULL,
  fix text NOT NULL,
  patch jsonb NOT NULL,
  repairs bigint NOT NULL CHECK (repairs > 0),
  raise_at bigint NOT NULL,
  example_path text NOT NULL,
  example_failure uuid NOT NULL,
  first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  raised_at timestamptz,
  raised_by uuid,
  CONSTRAINT producer_drift_raised_by_an_attempt CHECK ((raised_at IS NULL) = (raised_by IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX producer_drift_organisation ON producer_drift (org_id, last_at);
COMMENT ON COLUMN producer_drift.path IS 'JSON Pointer with * in place of array indices';
COMMENT ON COLUMN producer_drift.patch IS 'JSON Patch that makes the producer''s payload right, as far as it can be said without a value';
COMMENT ON COLUMN producer_drift.raise_at IS 'So many repairs make a finding, as the catalog said last';
COMMENT ON COLUMN producer_drift.raised_by IS 'The attempt whose repair made it a finding; kept, so that it is told once';

ALTER TABLE producer_drift ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON producer_drift FROM PUBLIC, anon, authenticated;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
