-- migrate:up

-- Who asked for a heal, beside what was decided: a request changes no status of an open failure, so it is no decision
-- with a step of its own. A running 114 goes on beside it, and records nothing here.
CREATE TABLE heal_request (
  failure_id uuid NOT NULL,
  step integer NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (failure_id, step, requested_by)
);
COMMENT ON TABLE heal_request IS 'Who asked for a heal: once for each step and person, with the time of the last request';
COMMENT ON COLUMN heal_request.step IS 'Of the heal that was asked for';
COMMENT ON COLUMN heal_request.requested_by IS 'The id of a user of the API, or the name of an operator';
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
