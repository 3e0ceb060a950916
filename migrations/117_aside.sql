-- migrate:up

-- Records of organisations whose row somebody else holds locked: as they were read, taken in later in their order. No
-- foreign key: its check would wait for that row. As dead letters do, they hold raw bytes; they are deleted once what
-- became of them is durable. A running 116 goes on beside it.
CREATE TABLE intake_aside (
  failure_id uuid PRIMARY KEY,
  place bigint GENERATED ALWAYS AS IDENTITY,
  org_id uuid NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  record_offset bigint NOT NULL,
  timestamp_ms bigint NOT NULL,
  key bytea,
  value bytea,
  headers bytea NOT NULL,
  size integer NOT NULL,
  set_aside_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX intake_aside_organisation ON intake_aside (org_id, place) INCLUDE (size);
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
