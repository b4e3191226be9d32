-- The ground floor: organizations and their people, credentials, the audit
-- log and the change log. Times are microseconds since 1970 UTC; 0 is "never".
-- {{identity}} and {{transaction}} are spelled per engine in dialect.go.

CREATE TABLE organizations (
  id             TEXT PRIMARY KEY,
  name           TEXT NOT NULL,
  tier           TEXT NOT NULL,
  account_id     TEXT NOT NULL UNIQUE,
  deleted        BOOLEAN NOT NULL,
  policy         TEXT NOT NULL,
  policy_version BIGINT NOT NULL,
  created_at     BIGINT NOT NULL,
  updated_at     BIGINT NOT NULL
);

CREATE TABLE accounts (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  parent_id       TEXT NOT NULL,
  name            TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX accounts_of_organization ON accounts (organization_id, id);

CREATE TABLE users (
  id                       TEXT PRIMARY KEY,
  application              BOOLEAN NOT NULL,
  email                    TEXT NOT NULL,
  email_confirmed_at       BIGINT NOT NULL,
  real_name                TEXT NOT NULL,
  job_title                TEXT NOT NULL,
  country                  TEXT NOT NULL,
  city                     TEXT NOT NULL,
  department               TEXT NOT NULL,
  state                    TEXT NOT NULL,
  managing_organization_id TEXT NOT NULL,
  organization_id          TEXT NOT NULL,
  tokens_valid_from        BIGINT NOT NULL,
  last_active_at           BIGINT NOT NULL,
  created_at               BIGINT NOT NULL,
  updated_at               BIGINT NOT NULL
);
-- A deleted person's address may be used by a new person.
CREATE UNIQUE INDEX users_email ON users (email) WHERE state <> 'deleted';
CREATE INDEX users_of_organization ON users (organization_id, id);

CREATE TABLE passwords (
  user_id    TEXT PRIMARY KEY REFERENCES users (id),
  phc        TEXT NOT NULL,
  changed_at BIGINT NOT NULL
);

CREATE TABLE totp_factors (
  user_id    TEXT PRIMARY KEY REFERENCES users (id),
  secret     TEXT NOT NULL,
  last_step  BIGINT NOT NULL,
  created_at BIGINT NOT NULL
);

CREATE TABLE totp_offers (
  user_id    TEXT PRIMARY KEY REFERENCES users (id),
  secret     TEXT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE TABLE one_time_codes (
  hash       TEXT PRIMARY KEY,
  purpose    TEXT NOT NULL,
  user_id    TEXT NOT NULL REFERENCES users (id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX one_time_codes_of_user ON one_time_codes (user_id, purpose);

CREATE TABLE memberships (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  user_id         TEXT NOT NULL REFERENCES users (id),
  super_admin     BOOLEAN NOT NULL,
  joined_at       BIGINT NOT NULL,
  PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX memberships_of_user ON memberships (user_id, organization_id);

CREATE TABLE grants (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  resource_type   TEXT NOT NULL,
  resource_id     TEXT NOT NULL,
  principal_type  TEXT NOT NULL,
  principal_id    TEXT NOT NULL,
  permissions     TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL,
  PRIMARY KEY (resource_type, resource_id, principal_type, principal_id)
);
CREATE INDEX grants_of_principal ON grants (principal_id, organization_id);

CREATE TABLE projects (
  name             TEXT PRIMARY KEY,
  organization_id  TEXT NOT NULL REFERENCES organizations (id),
  account_id       TEXT NOT NULL REFERENCES accounts (id),
  base_port        BIGINT NOT NULL,
  billing_group_id TEXT NOT NULL,
  tags             TEXT NOT NULL,
  tech_emails      TEXT NOT NULL,
  created_at       BIGINT NOT NULL,
  updated_at       BIGINT NOT NULL
);
CREATE INDEX projects_of_organization ON projects (organization_id, name);

CREATE TABLE tokens (
  prefix                 TEXT PRIMARY KEY,
  hash                   TEXT NOT NULL,
  kind                   BIGINT NOT NULL,
  user_id                TEXT NOT NULL REFERENCES users (id),
  description            TEXT NOT NULL,
  manual                 BOOLEAN NOT NULL,
  created_at             BIGINT NOT NULL,
  expires_at             BIGINT NOT NULL,
  max_age                BIGINT NOT NULL,
  extend_when_used       BOOLEAN NOT NULL,
  addresses              TEXT NOT NULL,
  scopes                 TEXT NOT NULL,
  revoked_at             BIGINT NOT NULL,
  parent                 TEXT NOT NULL,
  auth_method            BIGINT NOT NULL,
  auth_provider          TEXT NOT NULL,
  auth_organization      TEXT NOT NULL,
  auth_second_factor     BOOLEAN NOT NULL,
  auth_at                BIGINT NOT NULL,
  break_glass            TEXT NOT NULL,
  last_used_at           BIGINT NOT NULL,
  last_ip                TEXT NOT NULL,
  last_user_agent        TEXT NOT NULL
);
CREATE INDEX tokens_of_user ON tokens (user_id, created_at);
CREATE INDEX tokens_of_parent ON tokens (parent) WHERE parent <> '';

CREATE TABLE guess_counters (
  id           TEXT PRIMARY KEY,
  failures     BIGINT NOT NULL,
  window_start BIGINT NOT NULL,
  window_tries BIGINT NOT NULL,
  next_try_at  BIGINT NOT NULL,
  updated_at   BIGINT NOT NULL
);

CREATE TABLE known_devices (
  hash       TEXT PRIMARY KEY,
  user_id    TEXT NOT NULL REFERENCES users (id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX known_devices_of_user ON known_devices (user_id);

CREATE TABLE events (
  id                {{identity}},
  chain             TEXT NOT NULL,
  chain_seq         BIGINT NOT NULL,
  hash              TEXT NOT NULL,
  created_at        BIGINT NOT NULL,
  action            TEXT NOT NULL,
  outcome           TEXT NOT NULL,
  actor_kind        TEXT NOT NULL,
  actor_id          TEXT NOT NULL,
  actor_name        TEXT NOT NULL,
  credential_prefix TEXT NOT NULL,
  organization_id   TEXT NOT NULL,
  account_id        TEXT NOT NULL,
  project           TEXT NOT NULL,
  target_kind       TEXT NOT NULL,
  target_id         TEXT NOT NULL,
  target_name       TEXT NOT NULL,
  client_ip         TEXT NOT NULL,
  request_id        TEXT NOT NULL,
  decision_id       TEXT NOT NULL,
  description       TEXT NOT NULL,
  detail            TEXT NOT NULL,
  UNIQUE (chain, chain_seq)
);
CREATE INDEX events_of_organization ON events (organization_id, id);
CREATE INDEX events_of_project ON events (project, id) WHERE project <> '';
CREATE UNIQUE INDEX events_decision ON events (decision_id) WHERE decision_id <> '';
{{append-only events}}

CREATE TABLE changes (
  id          {{identity}},
  transaction_id BIGINT NOT NULL DEFAULT {{transaction}},
  scope       TEXT NOT NULL,
  created_at  BIGINT NOT NULL
);
