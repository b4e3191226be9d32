-- Who loses access by a change of the policy is found out after it, by what the
-- policy was before and after.

CREATE TABLE access_notices (
  id              {{identity}},
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  change          TEXT NOT NULL,
  policy_before   TEXT NOT NULL,
  policy_after    TEXT NOT NULL,
  created_at      BIGINT NOT NULL,
  next_try_at     BIGINT NOT NULL
);
CREATE INDEX access_notices_due ON access_notices (next_try_at);
CREATE INDEX access_notices_of_organization ON access_notices (organization_id, id);
CREATE INDEX access_notices_by_age ON access_notices (created_at);
