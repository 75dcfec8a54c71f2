-- The first schema. Types are written INTEGER, TEXT and BLOB; the drivers
-- translate (SQLite: as it stands; PostgreSQL: BIGINT, TEXT, BYTEA, and
-- neither STRICT nor WITHOUT ROWID).
-- Times are milliseconds since 1970 in UTC. Ids are 16 bytes.

-- One row: what this database is, and a counter that moves whenever who may
-- call what may have changed (identities, clients, keys, revocations), so
-- that a cached verification is valid exactly as long as the counter stands.
CREATE TABLE registry (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    id           BLOB    NOT NULL,            -- of this database; part of ETags
    tenant_name  TEXT    NOT NULL,
    auth_epoch   INTEGER NOT NULL DEFAULT 1,
    created_ms   INTEGER NOT NULL
) STRICT;

-- Numbers that are given once and never again, not even after a delete.
CREATE TABLE counter (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL                    -- the last one given
) STRICT, WITHOUT ROWID;
INSERT INTO counter (name, value) VALUES ('source', 0), ('identity', 0);

-- People (and robots) who call: employees, account managers, approvers.
CREATE TABLE identity (
    id            BLOB    NOT NULL PRIMARY KEY,
    number        INTEGER NOT NULL UNIQUE,    -- user_id of the token answer
    alias         TEXT    NOT NULL,           -- "account ID" of a manager
    alias_key     TEXT    NOT NULL UNIQUE,    -- alias folded for comparing
    name          TEXT    NOT NULL,           -- display name
    name_key      TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    email_key     TEXT    NOT NULL,
    manager_id    BLOB    REFERENCES identity (id) ON DELETE SET NULL,
    levels        TEXT    NOT NULL DEFAULT '', -- user levels, space-separated
    password_hash TEXT,                        -- NULL: cannot sign in
    created_ms    INTEGER NOT NULL,
    modified_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX identity_by_name ON identity (name_key);
CREATE INDEX identity_by_email ON identity (email_key);

-- Who is in a management workgroup (rights of SOURCE_SUBADMIN).
CREATE TABLE workgroup_member (
    workgroup   TEXT NOT NULL,
    identity_id BLOB NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    PRIMARY KEY (workgroup, identity_id)
) STRICT, WITHOUT ROWID;

-- Who may ask for tokens: personal access tokens (kind PAT, with an owner)
-- and API clients (kind API, without).
CREATE TABLE client (
    id             BLOB    NOT NULL PRIMARY KEY,   -- client_id
    kind           TEXT    NOT NULL CHECK (kind IN ('PAT', 'API')),
    name           TEXT    NOT NULL,
    secret_sha256  BLOB,                           -- NULL: public client
    identity_id    BLOB    REFERENCES identity (id) ON DELETE CASCADE,
    scopes         TEXT,                           -- NULL: sp:scopes:all
    grants         TEXT    NOT NULL,               -- space-separated
    redirect_uris  TEXT    NOT NULL DEFAULT '',    -- one per line
    token_seconds  INTEGER NOT NULL,               -- life of an access token
    expires_ms     INTEGER,                        -- of the client; NULL: never
    created_ms     INTEGER NOT NULL,
    modified_ms    INTEGER NOT NULL,
    last_used_ms   INTEGER,
    CHECK ((kind = 'PAT') = (identity_id IS NOT NULL))
) STRICT;
CREATE INDEX client_by_identity ON client (identity_id);

-- Keys that sign access tokens (ES256); the newest signs, all verify until
-- they expire.
CREATE TABLE signing_key (
    kid         TEXT    NOT NULL PRIMARY KEY,
    private_der BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER                       -- NULL: in use
) STRICT;

CREATE TABLE source (
    number        INTEGER NOT NULL PRIMARY KEY, -- first part of record.key
    id            BLOB    NOT NULL UNIQUE,      -- the non-employee source
    source_id     BLOB    NOT NULL UNIQUE,      -- the underlying source
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL UNIQUE,
    description   TEXT    NOT NULL,
    owner_id      BLOB    REFERENCES identity (id) ON DELETE SET NULL,
    workgroup     TEXT,
    revision      INTEGER NOT NULL DEFAULT 1, -- moves with every change of what
                                              -- the source's CSV can show
    changed_ms    INTEGER NOT NULL,           -- when the revision moved
    record_count  INTEGER NOT NULL DEFAULT 0,
    next_row      INTEGER NOT NULL DEFAULT 1, -- second part of record.key
    next_column   INTEGER NOT NULL DEFAULT 1, -- schema_attribute.number
    created_ms    INTEGER NOT NULL,
    modified_ms   INTEGER NOT NULL
) STRICT;

-- Approvers and account managers of a source, in order.
CREATE TABLE source_member (
    source      INTEGER NOT NULL REFERENCES source (number) ON DELETE CASCADE,
    role        TEXT    NOT NULL CHECK (role IN ('APPROVER', 'MANAGER')),
    position    INTEGER NOT NULL,             -- from 0
    identity_id BLOB    NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    PRIMARY KEY (source, role, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX source_member_by_identity ON source_member (identity_id, role);

-- Columns of a source. The eight built-in ones have numbers 1 to 8; custom
-- ones count on from 9 and a number is never used again, so that a packed
-- value of a deleted attribute is never taken for another's.
CREATE TABLE schema_attribute (
    id             BLOB    NOT NULL PRIMARY KEY,
    source         INTEGER NOT NULL REFERENCES source (number)
                           ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    type           TEXT    NOT NULL,
    label          TEXT    NOT NULL,
    technical_name TEXT    NOT NULL,
    technical_key  TEXT    NOT NULL,
    help_text      TEXT    NOT NULL DEFAULT '',
    placeholder    TEXT    NOT NULL DEFAULT '',
    required       INTEGER NOT NULL,
    created_ms     INTEGER NOT NULL,
    modified_ms    INTEGER NOT NULL,
    UNIQUE (source, number),
    UNIQUE (source, technical_key)
) STRICT;

-- The people. `key` = source.number * 2^36 + row: records of one source lie
-- together in the order of their creation, which is the order of the CSV.
-- `line` is the CSV text of the eight built-in columns, made in the same
-- write: an export copies it instead of quoting eight values again.
-- `custom` packs the other values, see src/store/custom.h. Both come first, so
-- that the export finds them without walking over the rest of the row.
CREATE TABLE record (
    key           INTEGER NOT NULL PRIMARY KEY,
    line          TEXT    NOT NULL,
    custom        TEXT,
    id            BLOB    NOT NULL UNIQUE,
    source        INTEGER NOT NULL REFERENCES source (number),
    account_name  TEXT    NOT NULL,
    account_key   TEXT    NOT NULL,           -- folded
    first_name    TEXT    NOT NULL,
    last_name     TEXT    NOT NULL,
    phone         TEXT    NOT NULL,
    email         TEXT    NOT NULL,
    manager       TEXT    NOT NULL,
    start_ms      INTEGER NOT NULL,
    start_offset  INTEGER NOT NULL,           -- minutes east of UTC, as sent
    end_ms        INTEGER NOT NULL,
    end_offset    INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL,
    modified_ms   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX record_account ON record (source, account_key);

-- Who changed records of a source, and when: one row per revision that did.
CREATE TABLE record_change (
    source     INTEGER NOT NULL,
    revision   INTEGER NOT NULL,              -- of the source, after the change
    at_ms      INTEGER NOT NULL,
    actor      BLOB,                          -- identity or client; NULL: the
                                              -- command line
    request_id BLOB,                          -- SLPT-Request-ID
    PRIMARY KEY (source, revision)
) STRICT, WITHOUT ROWID;

-- What each of those changes did. Append-only. Answers "as of" and "changed
-- since". A creation ('C') says only which keys: all from `key` to `last_key`,
-- so that an import of any size is one row. An update ('U') and a delete ('D')
-- keep the record as it was before. The state of a record as of a revision is
-- therefore in the first of its rows after that revision: 'C' says that it was
-- not there, 'U' and 'D' have it, and without such a row it is as in `record`.
CREATE TABLE record_history (
    source     INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    key        INTEGER NOT NULL,              -- of the record
    last_key   INTEGER NOT NULL,              -- `key` but for a 'C' of many
    change     TEXT    NOT NULL CHECK (change IN ('C', 'U', 'D')),
    record_id  BLOB,                          -- these three: NULL for 'C'
    line       TEXT,
    custom     TEXT,
    PRIMARY KEY (source, revision, key)
) STRICT, WITHOUT ROWID;

-- Everything else that anyone did. Append-only.
CREATE TABLE audit (
    number     INTEGER NOT NULL PRIMARY KEY,
    at_ms      INTEGER NOT NULL,
    event      TEXT    NOT NULL,              -- contract section 15
    actor      BLOB,
    request_id BLOB,
    object_id  BLOB,
    source     INTEGER,
    detail     TEXT    NOT NULL DEFAULT ''    -- field names, counts
) STRICT;
