-- E-mail domains: proven by at most one organization at a time; asked again in
-- the background.

CREATE TABLE domains (
  id                TEXT PRIMARY KEY,
  organization_id   TEXT NOT NULL REFERENCES organizations (id),
  name              TEXT NOT NULL,
  challenge         TEXT NOT NULL,
  verification_type TEXT NOT NULL,
  state             TEXT NOT NULL,
  verified_at       BIGINT NOT NULL,
  absent_since      BIGINT NOT NULL,
  absent_checks     BIGINT NOT NULL,
  trouble_since     BIGINT NOT NULL,
  warned_at         BIGINT NOT NULL,
  next_check_at     BIGINT NOT NULL,
  created_at        BIGINT NOT NULL,
  updated_at        BIGINT NOT NULL
);
CREATE UNIQUE INDEX domains_verified ON domains (name) WHERE state = 'verified';
CREATE UNIQUE INDEX domains_of_organization ON domains (organization_id, name) WHERE state <> 'deleted';
CREATE INDEX domains_due ON domains (next_check_at) WHERE state = 'verified';
