-- migrate:up

-- Who was heard at the door, and when: a source, an organisation, and the two together. What tells a bad deploy of ours,
-- which silences all of them at once, from one bad producer, which can silence nobody.
CREATE TABLE intake_voice (
  id uuid PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('source', 'organisation', 'pair')),
  source text,
  org_id uuid,
  beat timestamptz NOT NULL,
  refused bigint NOT NULL DEFAULT 0,
  refused_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX intake_voice_refused ON intake_voice (refused_at) WHERE refused_at IS NOT NULL;
COMMENT ON COLUMN intake_voice.beat IS 'The last beat in which an event of it was accepted';
COMMENT ON COLUMN intake_voice.refused IS 'Dead letters in its name since then; the name is a claim of whoever wrote the record';

-- How many of each were heard in a beat; there is a row only for a beat in which somebody was reading.
CREATE TABLE intake_pulse (
  beat timestamptz PRIMARY KEY,
  organisations integer NOT NULL DEFAULT 0,
  sources integer NOT NULL DEFAULT 0
);

-- Whether the whole fleet reads; one row.
CREATE TABLE intake_limit (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  paused_at timestamptz,
  why text,
  probe_due timestamptz,
  blank_probes integer NOT NULL DEFAULT 0,
  resumed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT intake_limit_paused_is_probed CHECK ((paused_at IS NULL) = (probe_due IS NULL))
);
INSERT INTO intake_limit DEFAULT VALUES;

-- What a person decided of a failure, and why; kept, whatever becomes of the event that told it.
CREATE TABLE heal_decision (
  failure_id uuid NOT NULL,
  step integer NOT NULL,
  decision text NOT NULL CHECK (decision IN ('give_up', 'resolve', 'did_not_happen')),
  reason text NOT NULL,
  decided_by text NOT NULL,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, step)
);
COMMENT ON COLUMN heal_decision.step IS 'Of the failure after the decision';

ALTER TABLE intake_voice ENABLE ROW LEVEL SECURITY;
ALTER TABLE intake_pulse ENABLE ROW LEVEL SECURITY;
ALTER TABLE intake_limit ENABLE ROW LEVEL SECURITY;
ALTER TABLE heal_decision ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON intake_voice, intake_pulse, intake_limit, heal_decision FROM PUBLIC, anon, authenticated;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
