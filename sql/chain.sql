-- What makes tampering visible: see sql/migrate/0005_chain.sql.

-- name: chain_add     role: writer
-- in:   $1 kind, $2 source or 0, $3 digest of the row
INSERT INTO chain (kind, source, links, hash)
VALUES ($1, $2, 1, sha256($3))
ON CONFLICT (kind, source) DO UPDATE
   SET links = chain.links + 1, hash = sha256(chain.hash || $3)
RETURNING links, hash;

-- name: chain_each
-- rows: many
SELECT kind, source, links, hash FROM chain ORDER BY kind, source;

-- name: chain_end     role: writer
-- in:   $1 source that is deleted
DELETE FROM chain WHERE kind = 'CHANGE' AND source = $1;

-- name: chain_audit
-- rows: many, in the order of the chains' links
SELECT number, at_ms, event, actor, request_id, object_id, source, detail,
       link, hash
  FROM audit
 ORDER BY number;

-- name: chain_audit_unsealed
-- in:   $1 number behind which to look; columns as chain_audit
SELECT number, at_ms, event, actor, request_id, object_id, source, detail,
       link, hash
  FROM audit
 WHERE number > $1 AND link IS NULL
 ORDER BY number
 LIMIT 1;

-- name: chain_audit_seal     role: writer
UPDATE audit SET link = $2, hash = $3 WHERE number = $1;

-- name: chain_changes
-- in:   $1 source; rows: many, in the order of the chain's links
SELECT source, revision, at_ms, actor, request_id, link, hash
  FROM record_change
 WHERE source = $1
 ORDER BY revision;

-- name: chain_changes_unsealed
-- in:   $1 source, $2 revision behind which to look; columns as chain_changes
SELECT source, revision, at_ms, actor, request_id, link, hash
  FROM record_change
 WHERE source >= $1 AND (source > $1 OR revision > $2) AND link IS NULL
 ORDER BY source, revision
 LIMIT 1;

-- name: chain_changes_seal     role: writer
UPDATE record_change SET link = $3, hash = $4
 WHERE source = $1 AND revision = $2;

-- name: chain_change_rows
-- in:   $1 source, $2 revision
-- rows: what the change did, with what an updated record became: the state
--       that the record's next row of history keeps, else its present one
SELECT h.key, h.last_key, h.change, h.record_id, h.line, h.custom,
       CASE WHEN h.next IS NULL THEN r.line ELSE n.line END,
       CASE WHEN h.next IS NULL THEN r.custom ELSE n.custom END
  FROM (SELECT b.source, b.revision, b.key, b.last_key, b.change, b.record_id,
               b.line, b.custom,
               (SELECT MIN(a.revision)
                  FROM record_history a
                 WHERE a.key = b.key AND a.revision > b.revision
                   AND a.record_id IS NOT NULL) AS next
          FROM record_history b
         WHERE b.source = $1 AND b.revision = $2) h
  LEFT JOIN record_history n
    ON n.source = h.source AND n.revision = h.next AND n.key = h.key
  LEFT JOIN record r
    ON r.key = h.key AND h.next IS NULL
 ORDER BY h.key;

-- name: chain_created
-- in:   $1, $2 first and last key
-- rows: of each key the states that it had, the oldest first
SELECT key, revision, record_id, line, custom
  FROM record_history
 WHERE key BETWEEN $1 AND $2 AND record_id IS NOT NULL
 UNION ALL
SELECT key, 9223372036854775807, id, line, custom
  FROM record
 WHERE key BETWEEN $1 AND $2
 ORDER BY 1, 2;

-- name: chain_source_numbers
-- rows: many
SELECT number FROM source ORDER BY number;

-- name: chain_last_source
-- The last number that a source got.
SELECT value FROM counter WHERE name = 'source';
