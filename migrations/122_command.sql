-- migrate:up

-- What a supervisor has commanded, and what became of it: an id is carried out once. A running 121 goes on beside it, and
-- reads no commands.
CREATE TABLE heal_command (
  issuer text NOT NULL,
  command_id text NOT NULL,
  digest bytea NOT NULL,
  command jsonb NOT NULL,
  org_id uuid,
  failure_id uuid,
  issued_by text NOT NULL,
  outcome text,
  reason text NOT NULL DEFAULT '',
  revokes boolean NOT NULL DEFAULT false,
  decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (issuer, command_id)
);
COMMENT ON TABLE heal_command IS 'Commands by id, with their answers: a second delivery is answered alike, and does nothing';
COMMENT ON COLUMN heal_command.issuer IS 'Whose key signed it: ids are unique within an issuer';
COMMENT ON COLUMN heal_command.digest IS 'SHA-256 of the command: the same id with another one is refused';
COMMENT ON COLUMN heal_command.outcome IS 'NULL only within the transaction that carries it out';
COMMENT ON COLUMN heal_command.revokes IS 'It holds from its answer on: that waits until every replica has learnt of it';
CREATE INDEX heal_command_decided ON heal_command (decided_at);
CREATE INDEX heal_command_failure ON heal_command (failure_id, decided_at) WHERE failure_id IS NOT NULL;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
