-- Records and their history.

-- name: record_insert     role: writer
-- No row changed: the account name is taken.
INSERT INTO record (key, line, custom, id, source, account_name, account_key,
                    first_name, last_name, phone, email, manager, start_ms,
                    start_offset, end_ms, end_offset, created_ms, modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
        $17, $17)
ON CONFLICT (source, account_key) DO NOTHING;

-- name: record_update     role: writer
UPDATE record
   SET line = $2, custom = $3, account_name = $4, account_key = $5,
       first_name = $6, last_name = $7, phone = $8, email = $9, manager = $10,
       start_ms = $11, start_offset = $12, end_ms = $13, end_offset = $14,
       modified_ms = $15
 WHERE key = $1;

-- name: record_delete     role: writer
DELETE FROM record WHERE key = $1;

-- name: record_gone_add     role: writer
-- in:   $1 segment: one more of its records is gone
INSERT INTO record_gone (segment, gone) VALUES ($1, 1)
ON CONFLICT (segment) DO UPDATE SET gone = record_gone.gone + 1;

-- name: record_change_insert     role: writer
INSERT INTO record_change (source, revision, at_ms, actor, request_id, link,
                           hash)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: record_history_created     role: writer
-- in:   $1 source, $2 revision, $3 first key, $4 last key
INSERT INTO record_history (source, revision, key, last_key, change)
VALUES ($1, $2, $3, $4, 'C');

-- name: record_history_before     role: writer
-- in:   $1 key, $2 revision, $3 'U' or 'D'
-- Keeps the record as it is now, before the change. No row changed: there is
-- no such record.
INSERT INTO record_history (source, revision, key, last_key, change, record_id,
                            line, custom)
SELECT source, CAST($2 AS BIGINT), key, key, CAST($3 AS TEXT), id, line,
       custom
  FROM record
 WHERE key = $1;

-- name: record_change_at
SELECT 1 FROM record_change WHERE source = $1 AND revision = $2 AND at_ms = $3;

-- name: record_change_count
-- in:   $1 source, $2 revision: after it
SELECT COUNT(*) FROM record_change WHERE source = $1 AND revision > $2;

-- name: record_changed     role: stream
-- in:   $1 source, $2 revision
-- rows: many: keys [first, last] that were changed later
SELECT key, last_key
  FROM record_history
 WHERE source = $1 AND revision > $2;

-- name: record_by_id
SELECT key, id, source, account_name, first_name, last_name, phone, email,
       manager, start_ms, start_offset, end_ms, end_offset, custom, created_ms,
       modified_ms
  FROM record
 WHERE id = $1;

-- name: record_by_account
-- in:   $1 source, $2 folded name; columns as record_by_id
SELECT key, id, source, account_name, first_name, last_name, phone, email,
       manager, start_ms, start_offset, end_ms, end_offset, custom, created_ms,
       modified_ms
  FROM record
 WHERE source = $1 AND account_key = $2;

-- name: record_by_accounts
-- in:   $1 source, $2 to $25 folded names, the same ones again where there are
--       fewer; columns as record_by_id, then the folded name
SELECT key, id, source, account_name, first_name, last_name, phone, email,
       manager, start_ms, start_offset, end_ms, end_offset, custom, created_ms,
       modified_ms, account_key
  FROM record
 WHERE source = $1
   AND account_key IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                       $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
                       $25);

-- name: record_lines     role: stream
-- in:   $1, $2 first and last key
-- rows: many, in the order of the CSV
SELECT key, line, custom
  FROM record
 WHERE key BETWEEN $1 AND $2
 ORDER BY key;

-- name: record_blocks     role: stream
-- in:   $1 first key of the source, $2, $3 first and last block, $4 line end,
--       $5 keys of a block
-- rows: of each block that has records: its number, and how many they are, a
--       space, and their lines with their ends, in the order of the CSV; NULL
--       where there are none
WITH RECURSIVE block (number) AS (
    SELECT CAST($2 AS BIGINT)
    UNION ALL
    SELECT number + 1 FROM block WHERE number < $3)
SELECT number,
       (SELECT COUNT(*) || ' ' || group_concat(r.line, $4) || $4
          FROM (SELECT line
                  FROM record
                 WHERE key BETWEEN $1 + number * $5
                               AND $1 + number * $5 + $5 - 1
                 ORDER BY key) AS r)
  FROM block;

-- name: record_page
-- in:   $1, $2 first and last key, $3 limit, $4 offset
-- rows: in the order of the CSV; columns as record_by_id
SELECT key, id, source, account_name, first_name, last_name, phone, email,
       manager, start_ms, start_offset, end_ms, end_offset, custom, created_ms,
       modified_ms
  FROM record
 WHERE key BETWEEN $1 AND $2
 ORDER BY key
 LIMIT $3 OFFSET $4;

-- name: record_gone
-- in:   $1, $2 first and last segment
-- rows: those of which records are gone, in order, and how many
SELECT segment, gone
  FROM record_gone
 WHERE segment BETWEEN $1 AND $2
 ORDER BY segment;
