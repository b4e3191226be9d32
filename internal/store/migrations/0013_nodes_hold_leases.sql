-- Nodes that answer from memory (docs/adr/0014-leases.md). seen is the
-- snapshot up to which a node has forgotten what changed; answers counts how
-- often it said so; lease is how long it then trusts its memory, in
-- microseconds.
CREATE TABLE nodes (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  lease      BIGINT NOT NULL,
  seen       TEXT NOT NULL,
  answers    BIGINT NOT NULL
);
