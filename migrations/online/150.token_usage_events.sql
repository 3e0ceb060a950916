CREATE INDEX CONCURRENTLY IF NOT EXISTS token_usage_events_days ON token_usage_events (org_id, created_at);
