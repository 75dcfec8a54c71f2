-- What makes tampering visible. Every audit row and every change of records is
-- a link of a chain: link n has SHA-256(hash of link n - 1 || digest of the
-- row), see src/store/chain.h. A source has a chain of each kind of its own, so
-- that those who change different sources never wait for each other; number 0
-- is for audit rows without a source. The audit's chain outlives its source.
CREATE TABLE chain (
    kind   TEXT    NOT NULL CHECK (kind IN ('AUDIT', 'CHANGE')),
    source INTEGER NOT NULL,
    links  INTEGER NOT NULL,                  -- how many there are
    hash   BLOB    NOT NULL,                  -- of the last one
    PRIMARY KEY (kind, source)
) STRICT, WITHOUT ROWID;

-- Rows from before get theirs at the end of the upgrade.
ALTER TABLE audit ADD COLUMN link INTEGER;
ALTER TABLE audit ADD COLUMN hash BLOB;
ALTER TABLE record_change ADD COLUMN link INTEGER;
ALTER TABLE record_change ADD COLUMN hash BLOB;

-- What happened to one record.
CREATE INDEX record_history_by_key ON record_history (key, revision)
    WHERE record_id IS NOT NULL;
