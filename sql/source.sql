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
SELECT next_row FROM source WHERE number = $1;

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
