-- The seed indexes the whole reason, by the name that the start of it has from 101 on.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_failures_org ON workflow_failures (org_id);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_failures_name ON workflow_failures (workflow_name);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_failures_detected ON workflow_failures (detected_at DESC);

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_failures_unresolved ON workflow_failures (resolved) WHERE resolved = false;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_workflow_failures_reason_start ON workflow_failures (left(failure_reason, 512));

DROP INDEX CONCURRENTLY IF EXISTS idx_workflow_failures_reason;

ALTER INDEX idx_workflow_failures_reason_start RENAME TO idx_workflow_failures_reason;
