-- Mail is written by the transaction that causes it and delivered afterwards,
-- at least once. What a message holds may be secret (one-time codes), so data
-- is sealed, and it is emptied once the message is delivered or given up.

CREATE TABLE outbox (
  id           {{identity}},
  kind         TEXT NOT NULL,
  recipient    TEXT NOT NULL,
  data         TEXT NOT NULL,
  tries        BIGINT NOT NULL,
  next_try_at  BIGINT NOT NULL,
  ended_at     BIGINT NOT NULL,
  outcome      TEXT NOT NULL,
  created_at   BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (next_try_at) WHERE ended_at = 0;
CREATE INDEX outbox_of_recipient ON outbox (recipient, kind, created_at);
