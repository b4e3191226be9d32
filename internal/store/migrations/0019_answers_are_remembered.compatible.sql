-- Callers may name a request by a key of their own and send it again when its
-- answer was lost. The answer is written in the transaction of what it answers.

CREATE TABLE remembered_answers (
  id         TEXT PRIMARY KEY,
  scopes     TEXT NOT NULL,
  answer     TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX remembered_answers_by_age ON remembered_answers (created_at);
