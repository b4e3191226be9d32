-- A project has a certificate authority of its own, which clients of the
-- compatible API read on every refresh, and the cloud it prefers. Only the
-- certificate is kept: nothing signs with its key.

ALTER TABLE projects ADD COLUMN certificate TEXT NOT NULL DEFAULT '';
ALTER TABLE projects ADD COLUMN cloud TEXT NOT NULL DEFAULT '';
