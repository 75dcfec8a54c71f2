-- Many nodes on one database. Files of bulk uploads are kept here, in pieces,
-- so that every node reaches them; a job names the node that runs it.

-- What waits for its import, and lines that were refused. A file is written in
-- many short transactions and counts when the last of them has named its
-- upload; others are swept away.
CREATE TABLE upload_file (
    id         BLOB    NOT NULL PRIMARY KEY,
    source     INTEGER NOT NULL REFERENCES source (number) ON DELETE CASCADE,
    kind       TEXT    NOT NULL CHECK (kind IN ('WAITING', 'REFUSED')),
    upload_id  BLOB,                          -- upload_job.id, or of an upload
                                              -- that was refused
    length     INTEGER NOT NULL DEFAULT 0,    -- bytes so far
    created_ms INTEGER NOT NULL,
    UNIQUE (upload_id, kind)
) STRICT;
CREATE INDEX upload_file_by_source ON upload_file (source);

CREATE TABLE upload_chunk (
    file_id BLOB    NOT NULL REFERENCES upload_file (id) ON DELETE CASCADE,
    number  INTEGER NOT NULL,                 -- from 0
    bytes   BLOB    NOT NULL,
    PRIMARY KEY (file_id, number)
) STRICT;

-- Nodes that run jobs. A node that lives counts its beat up: a job whose node
-- stands still for a while goes to another one.
CREATE TABLE node (
    id   BLOB    NOT NULL PRIMARY KEY,
    beat INTEGER NOT NULL
) STRICT;

ALTER TABLE upload_job ADD COLUMN guarded INTEGER NOT NULL DEFAULT 0;
ALTER TABLE upload_job ADD COLUMN node BLOB;  -- while it is IN_PROGRESS
UPDATE upload_job SET status = 'PENDING' WHERE status = 'IN_PROGRESS';
CREATE UNIQUE INDEX upload_job_running ON upload_job (source)
    WHERE status = 'IN_PROGRESS';
