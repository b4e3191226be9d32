-- When a domain lapses or is removed, whoever holds it next reads the mail of
-- the people that were managed by it: their addresses prove nothing until they
-- are confirmed again, or the same organization verifies the domain again.

ALTER TABLE users ADD COLUMN address_lapsed_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN address_lapsed_from TEXT NOT NULL DEFAULT '';
