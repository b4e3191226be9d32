-- Who may be the last admin with a way in is asked at the end of a change, which
-- others wait for: super admins are found without reading all members.

CREATE INDEX memberships_of_super_admins ON memberships (organization_id, user_id) WHERE super_admin;
