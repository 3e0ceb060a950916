ALTER TABLE token_usage_events
  ADD COLUMN IF NOT EXISTS attempt_id uuid,
  ADD COLUMN IF NOT EXISTS phase text CHECK (phase IN ('hold', 'settle'));

CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS token_usage_events_once ON token_usage_events (attempt_id, phase)
 WHERE attempt_id IS NOT NULL;
