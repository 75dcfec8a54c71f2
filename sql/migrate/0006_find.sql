-- What records are found and sorted by: a row for each of seven values of each
-- record. Made from `record` alone, so it is in no backup: whoever lacks it
-- makes it again.
CREATE TABLE record_find (
    field INTEGER NOT NULL,                   -- enum find_field
    word  TEXT    NOT NULL,                   -- folded; a time as the digits of
                                              -- 5 * 10^15 more milliseconds
    key   INTEGER NOT NULL,                   -- of the record
    PRIMARY KEY (field, word, key)
) STRICT, WITHOUT ROWID;

-- How far that is: rows of a source before this one are found there. A large
-- import leaves its rows for later, since they cost as much as itself.
CREATE TABLE record_find_done (
    source   INTEGER NOT NULL PRIMARY KEY,
    next_row INTEGER NOT NULL
) STRICT;
