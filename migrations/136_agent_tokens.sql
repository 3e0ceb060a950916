-- migrate:up

-- What the agent's model may use, in tokens: one row for each failure, and for each workflow, organisation and all of a day.
-- Reserved before a call, settled by what its answer tells; what nobody knows stays reserved. A running 135 goes on beside
-- it, and asks no model. No foreign keys, as elsewhere.
CREATE TABLE heal_agent_budget (
  scope text PRIMARY KEY,
  spent bigint NOT NULL DEFAULT 0 CHECK (spent >= 0),
  held bigint NOT NULL DEFAULT 0 CHECK (held >= 0),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX heal_agent_budget_age ON heal_agent_budget (at);

CREATE TABLE heal_agent_call (
  id uuid PRIMARY KEY,
  attempt_id uuid NOT NULL,
  failure_id uuid NOT NULL,
  org_id uuid NOT NULL,
  scopes text[] NOT NULL,
  input_held bigint NOT NULL CHECK (input_held >= 0),
  output_held bigint NOT NULL CHECK (output_held >= 0),
  input_spent bigint CHECK (input_spent >= 0),
  output_spent bigint CHECK (output_spent >= 0),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT heal_agent_call_settles_whole CHECK ((input_spent IS NULL) = (output_spent IS NULL))
);
COMMENT ON COLUMN heal_agent_call.input_spent IS 'NULL: its answer never came, and all that is held counts as spent';
CREATE INDEX heal_agent_call_attempt ON heal_agent_call (attempt_id);
CREATE INDEX heal_agent_call_age ON heal_agent_call (at);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
