-- migrate:up

-- What came of the rehearsal of a shadow heal, and when its failure is looked at again: whether it has recovered by itself.
-- A running 132 goes on beside it, and rehearses none.
ALTER TABLE heal_shadow
  ADD COLUMN outcome text,
  ADD COLUMN rehearsal jsonb,
  ADD COLUMN look_at timestamptz,
  ADD COLUMN looks smallint NOT NULL DEFAULT 0,
  ADD COLUMN recovered_at timestamptz;
COMMENT ON COLUMN heal_shadow.outcome IS 'Of its rehearsal; NULL: it was not rehearsed';
COMMENT ON COLUMN heal_shadow.look_at IS 'NULL: it is not looked at again';
CREATE INDEX heal_shadow_look ON heal_shadow (look_at) WHERE look_at IS NOT NULL;

-- Answers to plans, until a running consumer has counted them: whoever answers may be no consumer.
CREATE TABLE heal_answer_note (
  place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event text NOT NULL
);
SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
