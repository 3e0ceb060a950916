-- migrate:up

-- What generators made, by the content address of the order: relinking it costs nothing. The bytes are in the asset store. A
-- running 133 goes on beside it, and makes nothing. No foreign keys, as elsewhere.
CREATE TABLE heal_made_asset (
  org_id uuid NOT NULL,
  generation text NOT NULL,
  digest text NOT NULL,
  media_type text NOT NULL,
  size bigint NOT NULL CHECK (size >= 0),
  generator text NOT NULL,
  cost bigint NOT NULL CHECK (cost >= 0),
  attempt_id uuid NOT NULL,
  made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (org_id, generation)
);
CREATE INDEX heal_made_asset_age ON heal_made_asset (org_id, made_at);

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
