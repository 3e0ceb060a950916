-- What the role of the service needs, and no more. Create it before, as an administrator:
--   CREATE ROLE shw_service LOGIN BYPASSRLS PASSWORD 'change-me';
-- It needs BYPASSRLS, because it works for all organisations, and becomes `authenticated` for each user's query.
-- UPDATE on organizations serves FOR KEY SHARE alone. Written from consumer/store/grants.py, which a test holds it to.
GRANT authenticated TO shw_service;
GRANT USAGE ON SCHEMA public TO shw_service;
GRANT SELECT ON shw_migrations TO shw_service;
GRANT SELECT, INSERT, UPDATE ON workflow_failures TO shw_service;
GRANT SELECT, INSERT ON workflow_heal_attempts TO shw_service;
GRANT SELECT ON intake_member_limit TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_owner TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_claim TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_outbox TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_status_change TO shw_service;
GRANT SELECT, INSERT, UPDATE ON heal_decision TO shw_service;
GRANT SELECT, INSERT, UPDATE ON heal_request TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_breaker TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_rate TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON intake_voice TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON intake_pulse TO shw_service;
GRANT SELECT, UPDATE ON intake_limit TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON producer_drift TO shw_service;
GRANT SELECT, UPDATE ON organizations TO shw_service;
GRANT SELECT, UPDATE ON token_wallets TO shw_service;
GRANT SELECT, INSERT, UPDATE (attempt_id) ON token_usage_events TO shw_service;
GRANT SELECT, INSERT ON usage_lockouts TO shw_service;
GRANT SELECT, INSERT, UPDATE (acknowledged_at) ON usage_warnings TO shw_service;
GRANT SELECT, INSERT, UPDATE ON heal_deployment TO shw_service;
GRANT SELECT, INSERT, DELETE ON heal_owed TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_debt TO shw_service;
GRANT SELECT, INSERT, DELETE ON heal_wallet_note TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_wallet_level TO shw_service;
GRANT SELECT, INSERT, DELETE ON intake_aside TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_command TO shw_service;
GRANT SELECT, INSERT, UPDATE ON heal_pause TO shw_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON heal_bulk TO shw_service;
GRANT SELECT, INSERT, UPDATE ON heal_bulk_item TO shw_service;
GRANT EXECUTE ON FUNCTION shw_history() TO shw_service;
