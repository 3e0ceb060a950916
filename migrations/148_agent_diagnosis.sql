-- migrate:up

-- What a model was asked of failures that no rule recognises, and what it answered: begun before its first call, ended
-- once with its charge. A running 147 goes on beside it, and asks none. No foreign keys, as elsewhere.
CREATE TABLE heal_agent_diagnosis (
  failure_id uuid PRIMARY KEY,
  attempt_id uuid NOT NULL,
  org_id uuid NOT NULL,
  workflow_name text NOT NULL,
  model text NOT NULL,
  prompts text NOT NULL,
  input_price bigint NOT NULL,
  output_price bigint NOT NULL,
  owner text NOT NULL,
  asks integer NOT NULL DEFAULT 1,
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  answer jsonb,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  ended_at timestamptz
);
COMMENT ON COLUMN heal_agent_diagnosis.attempt_id IS 'Names its calls in heal_agent_call, and its charge';
COMMENT ON COLUMN heal_agent_diagnosis.asks IS 'How often it was begun: a second time after a crash, and never a third time';
CREATE INDEX heal_agent_diagnosis_open ON heal_agent_diagnosis (asked_at) WHERE ended_at IS NULL;
CREATE INDEX heal_agent_diagnosis_org ON heal_agent_diagnosis (org_id);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
