-- migrate:up

-- Heals that outlast their claim's process: a claim keeps a state from which its heir goes on, and while it only waits
-- for another system its owner is `suspended`, whose lease never ends. A running 120 goes on beside it: it never takes a
-- suspended claim, knows no state (`state_epoch` tells that it had the claim in between), and its takeovers read all
-- claims.
SET LOCAL lock_timeout = '1500ms';
INSERT INTO heal_owner (owner, lease_until) VALUES ('suspended', 'infinity');

ALTER TABLE heal_claim
  ADD COLUMN state jsonb,
  ADD COLUMN state_version integer,
  ADD COLUMN state_epoch integer,
  ADD COLUMN begun_since boolean NOT NULL DEFAULT false,
  ADD COLUMN look_at timestamptz,
  ADD COLUMN suspended_at timestamptz,
  ADD COLUMN suspensions integer NOT NULL DEFAULT 0,
  ADD CONSTRAINT heal_claim_state_has_version CHECK ((state IS NULL) = (state_version IS NULL));
COMMENT ON COLUMN heal_claim.state IS 'What the strategy has kept: its heir goes on from here, and repeats nothing before it';
COMMENT ON COLUMN heal_claim.state_version IS 'Of the strategy''s own model of its state: another release may not know it';
COMMENT ON COLUMN heal_claim.state_epoch IS 'The epoch of the last release that knew of states: another one means that an older release had the claim';
COMMENT ON COLUMN heal_claim.begun_since IS 'An effect that carries no key may have begun since the state was kept';
COMMENT ON COLUMN heal_claim.look_at IS 'Of a suspended claim: when it is gone on with';
COMMENT ON COLUMN heal_claim.suspended_at IS 'When it was first suspended; its longest suspension counts from here';
COMMENT ON COLUMN heal_claim.suspensions IS 'How often it was suspended';

-- What is due, by organisation: those that are not cost a look nothing.
CREATE INDEX heal_claim_suspended ON heal_claim (org_id, look_at) WHERE owner = 'suspended';
-- Claims of processes alone: neither those that wait for a person nor those that wait for another system.
CREATE INDEX heal_claim_under_way ON heal_claim (owner) WHERE owner <> 'parked' AND owner <> 'suspended';
DROP INDEX heal_claim_live;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
