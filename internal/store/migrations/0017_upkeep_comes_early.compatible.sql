-- PostgreSQL cleans a table up, and looks at what is in it, once a fifth of its
-- rows have changed: for ten million events that is after weeks. These grow large
-- and lose rows all day; a fiftieth is soon enough for plans to know the latest
-- values and for the room of removed rows to be used again. Tokens leave room in
-- each page, so that a new last use stays in it and touches no index.
{{upkeep}}
