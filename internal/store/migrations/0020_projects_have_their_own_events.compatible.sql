-- The audit log of one project is read in its organization: whoever had the
-- name before, in another one, may have left any number of events with it, all
-- of which a page went past. What was made before this step still answers, and
-- is slow there until it is replaced.

CREATE INDEX events_of_organizations_project ON events (organization_id, project, id) WHERE project <> '';
DROP INDEX events_of_project;
