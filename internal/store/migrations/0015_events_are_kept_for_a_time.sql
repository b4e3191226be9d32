-- Events are removed when they are older than the operator keeps them. What
-- is left of a chain then begins after its anchor: the last entry that was
-- removed. Nothing after an anchor can be deleted.

CREATE TABLE event_anchors (
  chain      TEXT PRIMARY KEY,
  chain_seq  BIGINT NOT NULL,
  hash       TEXT NOT NULL,
  removed_at BIGINT NOT NULL
);
{{events age}}
