-- How many records were deleted of each 1024 keys that follow each other, where
-- any was: `segment` is key / 1024. Keys are given in order and never again, so
-- this tells where the n-th record of a source is without a walk to it, and
-- creations cost nothing.
CREATE TABLE record_gone (
    segment INTEGER NOT NULL PRIMARY KEY,
    gone    INTEGER NOT NULL
) STRICT;
INSERT INTO record_gone (segment, gone)
SELECT key / 1024, COUNT(*)
  FROM record_history
 WHERE change = 'D'
 GROUP BY key / 1024;
