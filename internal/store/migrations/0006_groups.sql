-- User groups: names are unique in an organization; members are people and
-- application users of that organization.

CREATE TABLE user_groups (
  id              TEXT PRIMARY KEY,
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  name            TEXT NOT NULL,
  description     TEXT NOT NULL,
  managed_by_scim BOOLEAN NOT NULL,
  created_at      BIGINT NOT NULL,
  updated_at      BIGINT NOT NULL,
  UNIQUE (organization_id, name)
);

CREATE TABLE group_members (
  group_id   TEXT NOT NULL REFERENCES user_groups (id),
  user_id    TEXT NOT NULL REFERENCES users (id),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (group_id, user_id)
);
CREATE INDEX group_members_of_user ON group_members (user_id, group_id);
