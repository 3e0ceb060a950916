-- migrate:up

-- Pauses of healing: within a reach no effect begins. Read by every process twice a second, with its revoked claims. A
-- running 122 goes on beside it, and knows nothing of pauses: what it holds, it heals. No foreign key, as elsewhere.
CREATE TABLE heal_pause (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid,
  workflow_name text,
  failure_type text,
  strategy text,
  dependency text,
  reason text NOT NULL,
  paused_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  starts_at timestamptz NOT NULL,
  ends_at timestamptz,
  ended_at timestamptz,
  ended_by text,
  end_reason text,
  released boolean NOT NULL DEFAULT false,
  CHECK (ends_at > starts_at)
);
COMMENT ON COLUMN heal_pause.workflow_name IS 'A name, or a pattern with * and ?; what is NULL is not asked for';
COMMENT ON COLUMN heal_pause.ended_at IS 'When it was resumed, or had come to its end';
COMMENT ON COLUMN heal_pause.released IS 'It is over, and no failure waits for it any more';
CREATE INDEX heal_pause_current ON heal_pause (starts_at) WHERE NOT released;
CREATE INDEX heal_pause_recent ON heal_pause (created_at, id);

ALTER TABLE workflow_failures
  ADD COLUMN paused_at timestamptz,
  ADD COLUMN paused_for interval NOT NULL DEFAULT '0';
COMMENT ON COLUMN workflow_failures.paused_at IS 'Since when a pause holds it: its place once the pause is over';
COMMENT ON COLUMN workflow_failures.paused_for IS 'How long pauses have held it: that does not count for its age';

-- Whoever moves a failure out of a pause, a decision included: the time in it is counted.
CREATE FUNCTION shw_paused_time() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.waits_on LIKE 'pause:%' THEN
    NEW.paused_at := coalesce(NEW.paused_at, clock_timestamp());
  ELSE
    NEW.paused_for := NEW.paused_for + greatest(clock_timestamp() - OLD.paused_at, '0');
    NEW.paused_at := NULL;
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION shw_paused_time() FROM PUBLIC;
CREATE TRIGGER shw_paused_time BEFORE UPDATE ON workflow_failures
  FOR EACH ROW WHEN (NEW.waits_on LIKE 'pause:%' OR OLD.paused_at IS NOT NULL) EXECUTE FUNCTION shw_paused_time();

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
