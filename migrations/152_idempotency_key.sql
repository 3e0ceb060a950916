-- migrate:up

-- Requests over the API that carry an idempotency key: who sent what, whether it was carried out, and what was answered. A
-- running 151 goes on beside it, and reads no key. No foreign key to organisations, as elsewhere.
SET LOCAL lock_timeout = '1500ms';
CREATE TABLE heal_idempotency_key (
  org_id uuid NOT NULL,
  member uuid NOT NULL,
  route text NOT NULL,
  key text NOT NULL,
  digest bytea NOT NULL,
  holder uuid NOT NULL,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  runs_until timestamptz NOT NULL,
  acted_at timestamptz,
  status smallint,
  media_type text,
  location text,
  body bytea,
  PRIMARY KEY (org_id, member, route, key)
);
COMMENT ON TABLE heal_idempotency_key IS 'Requests over the API by the key that their sender gave them, and the answers to them';
COMMENT ON COLUMN heal_idempotency_key.digest IS 'Of the query and the body: the same key with another one is refused';
COMMENT ON COLUMN heal_idempotency_key.holder IS 'The request that carries it out: another one may take it over once it runs no more';
COMMENT ON COLUMN heal_idempotency_key.runs_until IS 'When its process answers at the latest: afterwards it died with it';
COMMENT ON COLUMN heal_idempotency_key.acted_at IS 'Written in the transaction that carries it out';
COMMENT ON COLUMN heal_idempotency_key.status IS 'Of its answer, once there is one';
CREATE INDEX heal_idempotency_key_begun ON heal_idempotency_key (begun_at);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
