-- Invitations: bound to an address, one open invitation for each address and
-- organization; only the code's hash is kept.

CREATE TABLE invitations (
  organization_id TEXT NOT NULL REFERENCES organizations (id),
  email           TEXT NOT NULL,
  code            TEXT NOT NULL UNIQUE,
  invited_by      TEXT NOT NULL REFERENCES users (id),
  created_at      BIGINT NOT NULL,
  expires_at      BIGINT NOT NULL,
  PRIMARY KEY (organization_id, email)
);
CREATE INDEX invitations_of_email ON invitations (email);
