-- Rows that no longer matter are found by their age, so that a clean-up reads
-- what goes and not what stays.

CREATE INDEX guess_counters_by_age ON guess_counters (updated_at);
CREATE INDEX guess_counters_idle ON guess_counters (updated_at) WHERE failures = 0;
CREATE INDEX known_devices_by_end ON known_devices (expires_at);
CREATE INDEX one_time_codes_by_end ON one_time_codes (expires_at);
CREATE INDEX totp_offers_by_end ON totp_offers (expires_at);
CREATE INDEX attempts_by_end ON attempts (expires_at);
CREATE INDEX attempts_ended ON attempts (ended_at) WHERE ended_at > 0;
CREATE INDEX tokens_revoked ON tokens (revoked_at) WHERE revoked_at > 0;
CREATE INDEX tokens_by_end ON tokens (expires_at) WHERE expires_at > 0;
CREATE INDEX users_voided ON users (tokens_valid_from) WHERE tokens_valid_from > 0;
CREATE INDEX saml_sessions_by_age ON saml_sessions (created_at);
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at > 0;
CREATE INDEX invitations_by_end ON invitations (expires_at);
CREATE INDEX linked_identities_ended ON linked_identities (deleted_at) WHERE deleted_at > 0;
CREATE INDEX domains_removed ON domains (updated_at) WHERE state = 'deleted';

-- The audit log of one unit, and of a time.
CREATE INDEX events_of_unit ON events (organization_id, account_id, id) WHERE account_id <> '';
CREATE INDEX events_by_time ON events (organization_id, created_at, id);
