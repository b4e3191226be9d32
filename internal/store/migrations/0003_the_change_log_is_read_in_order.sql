-- Ids of the change log are taken before the commit, so that followers go by
-- the transactions that took them first (store.Position).

CREATE INDEX changes_in_order ON changes (transaction_id, id);
