-- Nodes that answer from memory (docs/adr/0014). until is when the right of a
-- node to do so ends, unless it renews it first.
CREATE TABLE nodes (
  id         TEXT PRIMARY KEY,
  started_at BIGINT NOT NULL,
  until      BIGINT NOT NULL,
  applied    BIGINT NOT NULL
);
