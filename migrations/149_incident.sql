-- migrate:up

-- Incidents: the failures of one cause within an organisation as one case, with an owner, a clock, and every act of a
-- person on it. A running 148 goes on beside it, and knows nothing of them. No foreign key to organisations, as elsewhere.
CREATE TABLE heal_incident (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  org_id uuid NOT NULL,
  fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{12}$'),
  reason text NOT NULL,
  failure_type text,
  since timestamptz NOT NULL,
  opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  opened_by text NOT NULL,
  owned_by text,
  acknowledged_at timestamptz,
  acknowledged_by text,
  closed_at timestamptz,
  closed_by text
);
COMMENT ON TABLE heal_incident IS 'Failures of one cause as one case: who has it, since when, and whether somebody said that they know';
COMMENT ON COLUMN heal_incident.fingerprint IS 'Of its cause: of the reason without what varies';
COMMENT ON COLUMN heal_incident.reason IS 'Of the failure by which it was opened';
COMMENT ON COLUMN heal_incident.since IS 'Its clock: when the first of its failures that stood at its opening was detected';
CREATE UNIQUE INDEX heal_incident_open ON heal_incident (org_id, fingerprint) WHERE closed_at IS NULL;
CREATE INDEX heal_incident_recent ON heal_incident (org_id, opened_at DESC, id DESC);

CREATE TABLE heal_incident_act (
  incident_id uuid NOT NULL REFERENCES heal_incident (id) ON DELETE CASCADE,
  place bigint GENERATED ALWAYS AS IDENTITY,
  act text NOT NULL,
  acted_by text NOT NULL,
  said text NOT NULL DEFAULT '',
  bulk_id uuid,
  acted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (incident_id, place)
);
COMMENT ON TABLE heal_incident_act IS 'What each person did about an incident, and their notes, in order';
COMMENT ON COLUMN heal_incident_act.bulk_id IS 'Of a heal of all: what it froze';
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
