-- Requests for people, their approval chains, bulk upload jobs, and what the
-- authorization code flow has to remember.

CREATE TABLE request (
    id            BLOB    NOT NULL PRIMARY KEY,
    source        INTEGER NOT NULL REFERENCES source (number)
                          ON DELETE CASCADE,
    requester_id  BLOB    REFERENCES identity (id) ON DELETE SET NULL,
    status        TEXT    NOT NULL CHECK (status IN ('PENDING', 'APPROVED',
                                                     'REJECTED', 'CANCELLED')),
    account_name  TEXT    NOT NULL,
    account_key   TEXT    NOT NULL,           -- folded
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    phone         TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    manager       TEXT    NOT NULL,
    start_ms      INTEGER NOT NULL,
    start_offset  INTEGER NOT NULL,
    end_ms        INTEGER NOT NULL,
    end_offset    INTEGER NOT NULL,
    custom        TEXT,                       -- as record.custom
    completion_ms INTEGER,
    created_ms    INTEGER NOT NULL,
    modified_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX request_by_source ON request (source, created_ms, id);
-- A name is asked for at most once at a time.
CREATE UNIQUE INDEX request_pending ON request (source, account_key)
    WHERE status = 'PENDING';

CREATE TABLE approval_item (
    id          BLOB    NOT NULL PRIMARY KEY,
    request_id  BLOB    NOT NULL REFERENCES request (id) ON DELETE CASCADE,
    position    INTEGER NOT NULL,             -- in the chain, from 0
    approver_id BLOB    NOT NULL,             -- stays when the identity goes
    approver_name TEXT  NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('NOT_READY', 'PENDING',
                                        'APPROVED', 'REJECTED', 'CANCELLED')),
    comment     TEXT,
    created_ms  INTEGER NOT NULL,
    modified_ms INTEGER NOT NULL,
    UNIQUE (request_id, position)
) STRICT;
CREATE INDEX approval_by_approver ON approval_item (approver_id, created_ms,
                                                    id);

-- Bulk uploads, one at a time per source in order of arrival.
CREATE TABLE upload_job (
    id              BLOB    NOT NULL PRIMARY KEY,
    source          INTEGER NOT NULL REFERENCES source (number)
                            ON DELETE CASCADE,
    status          TEXT    NOT NULL CHECK (status IN ('PENDING',
                                     'IN_PROGRESS', 'COMPLETED', 'ERROR')),
    actor           BLOB,
    request_id      BLOB,
    length          INTEGER NOT NULL,         -- bytes of the file
    sha256          BLOB    NOT NULL,
    idempotency_key TEXT,
    records_created INTEGER NOT NULL DEFAULT 0,
    records_updated INTEGER NOT NULL DEFAULT 0,
    errors          TEXT    NOT NULL DEFAULT '',
    created_ms      INTEGER NOT NULL,
    modified_ms     INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_job_by_source ON upload_job (source, created_ms, id);
CREATE INDEX upload_job_by_status ON upload_job (status, created_ms, id);
CREATE UNIQUE INDEX upload_job_key ON upload_job (source, idempotency_key);
