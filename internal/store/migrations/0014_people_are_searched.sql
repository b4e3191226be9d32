-- Pages show the people, groups and group members of an organization by name,
-- fifty at a time, and find them by a part of it. What they are ordered by and
-- found in stands in the row that the list goes through, so that a page costs
-- the same in an organization of ten and of ten thousand people. store/listing.go
-- writes it: the name (or else the address), the address and the id, one a
-- line, in lower case and without accents. Nothing decides by it.

ALTER TABLE memberships ADD COLUMN listed_kind TEXT NOT NULL DEFAULT '';
ALTER TABLE memberships ADD COLUMN listed_as {{text in byte order}} NOT NULL DEFAULT '';
ALTER TABLE memberships ADD COLUMN listed_managed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE memberships ADD COLUMN listed_active BOOLEAN NOT NULL DEFAULT TRUE;
UPDATE memberships SET
  listed_kind = (SELECT CASE WHEN u.application THEN 'application' ELSE 'person' END FROM users u WHERE u.id = user_id),
  listed_as = (SELECT lower(CASE WHEN u.real_name <> '' THEN u.real_name ELSE u.email END) || '
' || lower(u.email) || '
' || u.id FROM users u WHERE u.id = user_id),
  listed_managed = (SELECT u.managing_organization_id <> '' AND u.managing_organization_id = memberships.organization_id FROM users u WHERE u.id = user_id),
  listed_active = (SELECT u.state = 'active' FROM users u WHERE u.id = user_id);
CREATE INDEX memberships_listed ON memberships (organization_id, listed_kind, listed_as, super_admin, listed_managed, listed_active, user_id);

ALTER TABLE group_members ADD COLUMN listed_as {{text in byte order}} NOT NULL DEFAULT '';
UPDATE group_members SET listed_as = (SELECT lower(CASE WHEN u.real_name <> '' THEN u.real_name ELSE u.email END) || '
' || lower(u.email) || '
' || u.id FROM users u WHERE u.id = user_id);
CREATE INDEX group_members_listed ON group_members (group_id, listed_as, user_id);

ALTER TABLE user_groups ADD COLUMN listed_as {{text in byte order}} NOT NULL DEFAULT '';
UPDATE user_groups SET listed_as = lower(name) || '
' || id;
CREATE INDEX user_groups_listed ON user_groups (organization_id, listed_as, id);

-- The projects of a unit.
CREATE INDEX projects_of_account ON projects (organization_id, account_id, name);

-- Who was granted something on one resource, by id.
CREATE INDEX grants_listed ON grants (resource_type, resource_id, principal_id);

-- The audit log of one actor, target or action, newest first.
CREATE INDEX events_by_actor ON events (organization_id, actor_id, id);
CREATE INDEX events_by_actor_name ON events (organization_id, actor_name, id);
CREATE INDEX events_by_target ON events (organization_id, target_id, id);
CREATE INDEX events_by_target_name ON events (organization_id, target_name, id);
CREATE INDEX events_by_action ON events (organization_id, action, id);
