CREATE INDEX CONCURRENTLY IF NOT EXISTS workflow_failures_feed ON workflow_failures (org_id, status, detected_at DESC, id DESC);
