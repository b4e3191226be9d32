-- An attempt to log in is a row that any node continues; changes of it are
-- conditional on its version. Passkeys, recovery codes, identities at other
-- providers and the providers of an organization are the ways in beside the
-- password. What may not be read from the database is sealed or only a hash.
-- A token knows what it was proved with, so that it can end with that.

CREATE TABLE attempts (
  id                 TEXT PRIMARY KEY,
  version            BIGINT NOT NULL,
  purpose            TEXT NOT NULL,
  step               TEXT NOT NULL,
  email              TEXT NOT NULL,
  user_id            TEXT NOT NULL,
  session            TEXT NOT NULL,
  auth_method        BIGINT NOT NULL,
  auth_provider      TEXT NOT NULL,
  auth_organization  TEXT NOT NULL,
  auth_second_factor BOOLEAN NOT NULL,
  auth_at            BIGINT NOT NULL,
  auth_identity      TEXT NOT NULL,
  state              TEXT NOT NULL,
  sealed             TEXT NOT NULL,
  next_path          TEXT NOT NULL,
  device             TEXT NOT NULL,
  client             TEXT NOT NULL,
  tries              BIGINT NOT NULL,
  created_at         BIGINT NOT NULL,
  expires_at         BIGINT NOT NULL,
  ended_at           BIGINT NOT NULL
);
CREATE UNIQUE INDEX attempts_by_state ON attempts (state) WHERE state <> '';
CREATE INDEX attempts_of_user ON attempts (user_id) WHERE user_id <> '';

CREATE TABLE passkeys (
  id              TEXT PRIMARY KEY,
  user_id         TEXT NOT NULL REFERENCES users (id),
  credential_id   TEXT NOT NULL UNIQUE,
  public_key      TEXT NOT NULL,
  name            TEXT NOT NULL,
  aaguid          TEXT NOT NULL,
  transports      TEXT NOT NULL,
  sign_count      BIGINT NOT NULL,
  backup_eligible BOOLEAN NOT NULL,
  backed_up       BOOLEAN NOT NULL,
  user_verified   BOOLEAN NOT NULL,
  suspended_at    BIGINT NOT NULL,
  created_at      BIGINT NOT NULL,
  last_used_at    BIGINT NOT NULL
);
CREATE INDEX passkeys_of_user ON passkeys (user_id);

CREATE TABLE recovery_codes (
  user_id    TEXT NOT NULL REFERENCES users (id),
  hash       TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL,
  PRIMARY KEY (user_id, hash)
);

CREATE TABLE linked_identities (
  id              TEXT PRIMARY KEY,
  user_id         TEXT NOT NULL REFERENCES users (id),
  provider        TEXT NOT NULL,
  organization_id TEXT NOT NULL,
  subject         TEXT NOT NULL,
  public_identity TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL,
  last_used_at    BIGINT NOT NULL,
  deleted_at      BIGINT NOT NULL
);
CREATE UNIQUE INDEX linked_identities_by_subject ON linked_identities (provider, subject) WHERE deleted_at = 0;
CREATE INDEX linked_identities_of_user ON linked_identities (user_id) WHERE deleted_at = 0;

CREATE TABLE authentication_methods (
  id                 TEXT PRIMARY KEY,
  organization_id    TEXT NOT NULL REFERENCES organizations (id),
  account_id         TEXT NOT NULL REFERENCES accounts (id),
  name               TEXT NOT NULL,
  type               TEXT NOT NULL,
  enabled            BOOLEAN NOT NULL,
  state              TEXT NOT NULL,
  token_max_age      BIGINT NOT NULL,
  token_extend       BOOLEAN NOT NULL,
  auto_join_group_id TEXT NOT NULL,
  config             TEXT NOT NULL,
  secret             TEXT NOT NULL,
  created_at         BIGINT NOT NULL,
  updated_at         BIGINT NOT NULL,
  deleted_at         BIGINT NOT NULL
);
CREATE INDEX authentication_methods_of_organization ON authentication_methods (organization_id);

CREATE TABLE method_domains (
  method_id TEXT NOT NULL REFERENCES authentication_methods (id),
  domain_id TEXT NOT NULL REFERENCES domains (id),
  PRIMARY KEY (method_id, domain_id)
);
CREATE INDEX method_domains_of_domain ON method_domains (domain_id);

ALTER TABLE tokens ADD COLUMN auth_identity TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN ends_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX tokens_of_provider ON tokens (auth_provider) WHERE auth_provider <> '';
