CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_heal_attempts_failure ON workflow_heal_attempts (failure_id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_heal_attempts_attempted ON workflow_heal_attempts (attempted_at DESC);
