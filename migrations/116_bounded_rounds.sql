-- migrate:up

-- What each replica asks every second or two finds its rows by an index, however much lies beside them. A running 115
-- goes on beside it; its own sweep of the outbox is slower while a backlog of messages stands there.
SET LOCAL lock_timeout = '1500ms';

-- The sweeper asks by owner and topic: what live replicas are about to send themselves is stepped over as a whole.
CREATE INDEX heal_outbox_lane ON heal_outbox (owner, topic, created_at);
DROP INDEX heal_outbox_created;

-- Live heals only: claims that wait for a person may be many, and are nobody's to take over.
CREATE INDEX heal_claim_live ON heal_claim (owner) WHERE owner <> 'parked';

-- Who waits for a person comes due once a day. Built under a lock that holds up writes for one scan of the table.
CREATE INDEX workflow_failures_for_person ON workflow_failures (due_at)
  WHERE status IN ('needs_person', 'awaiting_approval');

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
