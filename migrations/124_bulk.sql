-- migrate:up

-- What is done to many failures at once: their ids are frozen before anything is done, and each has its outcome in the
-- transaction that did it. A running 123 goes on beside it, and does nothing of it.
CREATE TABLE heal_bulk (
  id uuid PRIMARY KEY,
  org_id uuid,
  action text NOT NULL,
  filter jsonb NOT NULL,
  reason text NOT NULL,
  issued_by text NOT NULL,
  rate double precision NOT NULL,
  failures integer NOT NULL,
  cost bigint,
  state text NOT NULL DEFAULT 'previewed',
  told integer NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz
);
COMMENT ON TABLE heal_bulk IS 'Bulks: what a filter found, and how far what was asked for each of it is';
COMMENT ON COLUMN heal_bulk.org_id IS 'NULL: of all organisations';
COMMENT ON COLUMN heal_bulk.cost IS 'Millionths of an AUD that one attempt for each may cost together; NULL where that cannot be told';
COMMENT ON COLUMN heal_bulk.told IS 'Number of its last event';
COMMENT ON COLUMN heal_bulk.due_at IS 'When its next slice is done: paces it over all replicas and restarts';
CREATE INDEX heal_bulk_running ON heal_bulk (due_at) WHERE state = 'running';

CREATE TABLE heal_bulk_item (
  bulk_id uuid NOT NULL REFERENCES heal_bulk (id) ON DELETE CASCADE,
  place integer NOT NULL,
  failure_id uuid NOT NULL,
  org_id uuid NOT NULL,
  outcome text,
  reason text NOT NULL DEFAULT '',
  step integer,
  result text,
  PRIMARY KEY (bulk_id, place)
);
COMMENT ON TABLE heal_bulk_item IS 'The frozen failures of a bulk, in the order in which they are done';
COMMENT ON COLUMN heal_bulk_item.outcome IS 'NULL: not done yet';
COMMENT ON COLUMN heal_bulk_item.step IS 'Of the heal that was asked for: an attempt from it on is its end';
COMMENT ON COLUMN heal_bulk_item.result IS 'How that first attempt ended';
CREATE INDEX heal_bulk_item_waiting ON heal_bulk_item (bulk_id, place) WHERE outcome IS NULL;
CREATE INDEX heal_bulk_item_under_way ON heal_bulk_item (bulk_id, place) WHERE step IS NOT NULL AND result IS NULL;

ALTER TABLE heal_command ADD COLUMN details jsonb;
COMMENT ON COLUMN heal_command.details IS 'What its answer says beside the outcome: the preview of a bulk';

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
