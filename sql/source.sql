-- Sources, their members and their schema attributes.

-- name: counter_next     role: writer
-- in:   $1 name
UPDATE counter SET value = value + 1 WHERE name = $1 RETURNING value;

-- name: source_find
-- in:   $1 either id
SELECT number, id, source_id, name, description, owner_id, workgroup,
       revision, changed_ms, record_count, next_row, next_column,
       created_ms, modified_ms
  FROM source
 WHERE id = $1 OR source_id = $1;

-- name: source_mark
-- in:   $1 either id
SELECT number, revision, changed_ms, id
  FROM source
 WHERE id = $1 OR source_id = $1;

-- name: source_all
-- rows: many, in the order of creation; columns as source_find
SELECT number, id, source_id, name, description, owner_id, workgroup,
       revision, changed_ms, record_count, next_row, next_column,
       created_ms, modified_ms
  FROM source
 ORDER BY number;

-- name: source_count
SELECT COUNT(*) FROM source;

-- name: source_insert     role: writer
INSERT INTO source (number, id, source_id, name, name_key, description,
                    owner_id, workgroup, changed_ms, next_column, created_ms,
                    modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $9)
ON CONFLICT (name_key) DO NOTHING;

-- name: source_lock     role: writer
-- in:   $1 id
-- Nobody else changes the source or its records until the transaction ends.
UPDATE source SET revision = revision WHERE id = $1;

-- name: source_touch     role: writer
-- in:   $1 number, $2 time
-- A clock that went back does not take changed_ms back with it: clients
-- compare it (If-Modified-Since).
UPDATE source
   SET revision = revision + 1,
       changed_ms = CASE WHEN changed_ms < $2 THEN $2 ELSE changed_ms END
 WHERE number = $1
RETURNING revision;

-- name: source_next_row
SELECT next_row, changed_ms FROM source WHERE number = $1;

-- name: source_advance     role: writer
-- in:   $1 number, $2 records more or less, $3 next row
UPDATE source
   SET record_count = record_count + $2, next_row = $3
 WHERE number = $1;

-- name: source_member
-- in:   $1 source, $2 role, $3 identity
SELECT 1
  FROM source_member
 WHERE source = $1 AND role = $2 AND identity_id = $3;

-- name: schema_list
-- in:   $1 source
SELECT id, number, type, label, technical_name, help_text, placeholder,
       required, created_ms, modified_ms
  FROM schema_attribute
 WHERE source = $1
 ORDER BY number;

-- name: schema_next_column     role: writer
-- in:   $1 source
UPDATE source SET next_column = next_column + 1
 WHERE number = $1
RETURNING next_column - 1;

-- name: schema_insert     role: writer
INSERT INTO schema_attribute (id, source, number, type, label, technical_name,
                              technical_key, help_text, placeholder, required,
                              created_ms, modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)
ON CONFLICT (source, technical_key) DO NOTHING;

-- name: source_by_number
-- in:   $1 number; columns as source_find
SELECT number, id, source_id, name, description, owner_id, workgroup,
       revision, changed_ms, record_count, next_row, next_column,
       created_ms, modified_ms
  FROM source
 WHERE number = $1;

-- name: source_update     role: writer
UPDATE source
   SET name = $2, name_key = $3, description = $4, modified_ms = $5
 WHERE number = $1;

-- name: source_members
-- in:   $1 source, $2 role
SELECT m.identity_id, i.name
  FROM source_member m
  JOIN identity i ON i.id = m.identity_id
 WHERE m.source = $1 AND m.role = $2
 ORDER BY m.position;

-- name: source_members_clear     role: writer
-- in:   $1 source, $2 role
DELETE FROM source_member WHERE source = $1 AND role = $2;

-- name: source_member_add     role: writer
-- in:   $1 source, $2 role, $3 position, $4 identity
-- No row changed: there is no such identity.
INSERT INTO source_member (source, role, position, identity_id)
SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS BIGINT), id
  FROM identity
 WHERE id = $4;

-- name: source_delete_records     role: writer
-- in:   $1, $2 first and last key
DELETE FROM record WHERE key BETWEEN $1 AND $2;

-- name: source_delete_gone     role: writer
-- in:   $1, $2 first and last segment
DELETE FROM record_gone WHERE segment BETWEEN $1 AND $2;

-- name: source_delete_history     role: writer
DELETE FROM record_history WHERE source = $1;

-- name: source_delete_changes     role: writer
DELETE FROM record_change WHERE source = $1;

-- name: source_delete     role: writer
-- Takes members, attributes, requests with their items, and jobs with it.
DELETE FROM source WHERE number = $1;

-- name: schema_find
-- in:   $1 source, $2 id; columns as schema_list
SELECT id, number, type, label, technical_name, help_text, placeholder,
       required, created_ms, modified_ms
  FROM schema_attribute
 WHERE source = $1 AND id = $2;

-- name: schema_update     role: writer
UPDATE schema_attribute
   SET label = $3, help_text = $4, placeholder = $5, required = $6,
       modified_ms = $7
 WHERE source = $1 AND id = $2;

-- name: schema_delete     role: writer
-- in:   $1 source, $2 id, $3 the first number of a custom attribute
DELETE FROM schema_attribute WHERE source = $1 AND id = $2 AND number >= $3;

-- name: schema_delete_all     role: writer
-- in:   $1 source, $2 the first number of a custom attribute
DELETE FROM schema_attribute WHERE source = $1 AND number >= $2;
