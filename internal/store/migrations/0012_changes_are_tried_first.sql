-- What keeps people from locking their organization out: pilots, changes that
-- undo themselves, the versions of a policy, and the addresses that were used.

-- A pilot sets fields of the policy for some people first. change is the JSON
-- object of a PATCH, ranges included, that is laid over the organization's
-- policy. Of several that hold a person, the one made first counts, and one
-- that names the person before one that names a group of theirs.
CREATE TABLE pilots (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  name            TEXT NOT NULL,
  change          TEXT NOT NULL,
  created_by      TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL
);
CREATE INDEX pilots_of_organization ON pilots (organization_id, created_at, id);

CREATE TABLE pilot_members (
  pilot_id       TEXT NOT NULL REFERENCES pilots (id),
  principal_type TEXT NOT NULL,
  principal_id   TEXT NOT NULL,
  PRIMARY KEY (pilot_id, principal_type, principal_id)
);
CREATE INDEX pilot_members_of_principal ON pilot_members (principal_id, pilot_id);

-- A change that undoes itself at the deadline unless it is confirmed; one at a
-- time in an organization. undo is what brings the state before it back.
CREATE TABLE pending_changes (
  organization_id TEXT PRIMARY KEY REFERENCES organizations (id),
  id              TEXT NOT NULL UNIQUE,
  kind            TEXT NOT NULL,
  description     TEXT NOT NULL,
  undo            TEXT NOT NULL,
  created_by      TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  deadline_at     BIGINT NOT NULL,
  next_try_at     BIGINT NOT NULL
);
CREATE INDEX pending_changes_due ON pending_changes (next_try_at);

-- Every policy an organization has had, ranges included.
CREATE TABLE policy_versions (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  version         BIGINT NOT NULL,
  policy          TEXT NOT NULL,
  action          TEXT NOT NULL,
  actor_kind      TEXT NOT NULL,
  actor_id        TEXT NOT NULL,
  actor_name      TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, version)
);
INSERT INTO policy_versions (organization_id, version, policy, action, actor_kind, actor_id, actor_name, created_at)
  SELECT id, policy_version, policy, '', 'system', '', '', updated_at FROM organizations;

-- Which credential was used from which address, while an organization learns
-- its ranges.
CREATE TABLE address_uses (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  token_prefix    TEXT NOT NULL,
  client_ip       TEXT NOT NULL,
  user_id         TEXT NOT NULL,
  first_used_at   BIGINT NOT NULL,
  last_used_at    BIGINT NOT NULL,
  uses            BIGINT NOT NULL,
  PRIMARY KEY (organization_id, token_prefix, client_ip)
);
CREATE INDEX address_uses_by_age ON address_uses (last_used_at);
CREATE INDEX address_uses_latest ON address_uses (organization_id, last_used_at);

ALTER TABLE organizations ADD COLUMN learning_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE organizations ADD COLUMN access_notices BOOLEAN NOT NULL DEFAULT TRUE;
