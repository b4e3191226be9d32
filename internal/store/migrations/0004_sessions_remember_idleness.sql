-- A session that was unused for longer than an organization allows stays
-- refused there, although its owner's other things and other organizations
-- accept it: the longest time between two uses is kept, in whole seconds
-- rounded up. Times that no organization may ask about are kept as 0.

ALTER TABLE tokens ADD COLUMN longest_idle BIGINT NOT NULL DEFAULT 0;
