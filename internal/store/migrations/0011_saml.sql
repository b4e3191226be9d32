-- SAML providers: what they may sign with, what we sign and decrypt with (sealed),
-- which assertions were used, what they call our sessions, their last responses
-- (sealed) for the admins who look for a mistake, and when their metadata is
-- read again.

CREATE TABLE method_certificates (
  method_id   TEXT NOT NULL REFERENCES authentication_methods (id),
  fingerprint TEXT NOT NULL,
  pem         TEXT NOT NULL,
  subject     TEXT NOT NULL,
  issuer      TEXT NOT NULL,
  not_before  BIGINT NOT NULL,
  not_after   BIGINT NOT NULL,
  state       TEXT NOT NULL,
  source      TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  warned_days BIGINT NOT NULL,
  PRIMARY KEY (method_id, fingerprint)
);
CREATE INDEX method_certificates_by_end ON method_certificates (not_after) WHERE state = 'active';

CREATE TABLE method_keys (
  id          TEXT PRIMARY KEY,
  method_id   TEXT NOT NULL REFERENCES authentication_methods (id),
  certificate TEXT NOT NULL,
  secret      TEXT NOT NULL,
  algorithm   TEXT NOT NULL,
  state       TEXT NOT NULL,
  created_at  BIGINT NOT NULL,
  retired_at  BIGINT NOT NULL
);
CREATE INDEX method_keys_of_method ON method_keys (method_id);

CREATE TABLE saml_assertions (
  method_id    TEXT NOT NULL,
  assertion_id TEXT NOT NULL,
  expires_at   BIGINT NOT NULL,
  PRIMARY KEY (method_id, assertion_id)
);
CREATE INDEX saml_assertions_by_end ON saml_assertions (expires_at);

CREATE TABLE saml_sessions (
  token_prefix   TEXT PRIMARY KEY,
  method_id      TEXT NOT NULL,
  name_id        TEXT NOT NULL,
  name_id_format TEXT NOT NULL,
  session_index  TEXT NOT NULL,
  created_at     BIGINT NOT NULL
);
CREATE INDEX saml_sessions_by_name ON saml_sessions (method_id, name_id);

CREATE TABLE saml_lab (
  id              TEXT PRIMARY KEY,
  method_id       TEXT NOT NULL REFERENCES authentication_methods (id),
  organization_id TEXT NOT NULL,
  attempt_id      TEXT NOT NULL,
  received_at     BIGINT NOT NULL,
  outcome         TEXT NOT NULL,
  stage           TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  sealed          TEXT NOT NULL,
  expires_at      BIGINT NOT NULL
);
CREATE INDEX saml_lab_of_method ON saml_lab (method_id, received_at);
CREATE INDEX saml_lab_by_end ON saml_lab (expires_at);

CREATE TABLE metadata_checks (
  method_id     TEXT PRIMARY KEY REFERENCES authentication_methods (id),
  url           TEXT NOT NULL,
  etag          TEXT NOT NULL,
  last_modified TEXT NOT NULL,
  next_check_at BIGINT NOT NULL,
  failed_since  BIGINT NOT NULL,
  last_error    TEXT NOT NULL
);
CREATE INDEX metadata_checks_by_time ON metadata_checks (next_check_at);
