-- Finding records by what they begin with, and sorting them. See
-- src/store/record_find.h.

-- name: find_add     role: writer
-- in:   $1, $2 first and last key
-- In the order of the table, since that halves the cost of many.
INSERT INTO record_find (field, word, key)
SELECT field, word, key
  FROM (SELECT CAST(1 AS BIGINT) AS field, lower(last_name) AS word, key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 2, lower(first_name), key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 3, account_key, key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 4, lower(email), key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 5, lower(manager), key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 6, CAST(start_ms + 5000000000000000 AS TEXT), key
          FROM record WHERE key BETWEEN $1 AND $2
         UNION ALL
        SELECT 7, CAST(end_ms + 5000000000000000 AS TEXT), key
          FROM record WHERE key BETWEEN $1 AND $2) AS w
 ORDER BY field, word, key;

-- name: find_words
-- in:   $1, $2 first and last key
-- rows: what find_add makes of these records
SELECT CAST(1 AS BIGINT) AS field, lower(last_name) AS word, key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 2, lower(first_name), key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 3, account_key, key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 4, lower(email), key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 5, lower(manager), key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 6, CAST(start_ms + 5000000000000000 AS TEXT), key
  FROM record WHERE key BETWEEN $1 AND $2
 UNION ALL
SELECT 7, CAST(end_ms + 5000000000000000 AS TEXT), key
  FROM record WHERE key BETWEEN $1 AND $2;

-- name: find_drop     role: writer
DELETE FROM record_find WHERE field = $1 AND word = $2 AND key = $3;

-- name: find_done
SELECT next_row FROM record_find_done WHERE source = $1;

-- name: find_done_put     role: writer
INSERT INTO record_find_done (source, next_row) VALUES ($1, $2)
ON CONFLICT (source) DO UPDATE SET next_row = excluded.next_row;

-- name: find_done_delete     role: writer
DELETE FROM record_find_done WHERE source = $1;

-- name: find_behind
-- A source with rows that are not found yet.
SELECT s.number, COALESCE(d.next_row, 1), s.next_row
  FROM source s
  LEFT JOIN record_find_done d ON d.source = s.number
 WHERE COALESCE(d.next_row, 1) < s.next_row
 ORDER BY s.number
 LIMIT 1;

-- name: find_rows
-- in:   $1 field, $2, $3 words from and before, $4, $5 first and last key
-- rows: columns as record_by_id
SELECT r.key, r.id, r.source, r.account_name, r.first_name, r.last_name,
       r.phone, r.email, r.manager, r.start_ms, r.start_offset, r.end_ms,
       r.end_offset, r.custom, r.created_ms, r.modified_ms
  FROM record_find f
  JOIN record r ON r.key = f.key
 WHERE f.field = $1 AND f.word >= $2 AND f.word < $3
   AND f.key BETWEEN $4 AND $5
 ORDER BY f.word, f.key;

-- name: find_rows_down
SELECT r.key, r.id, r.source, r.account_name, r.first_name, r.last_name,
       r.phone, r.email, r.manager, r.start_ms, r.start_offset, r.end_ms,
       r.end_offset, r.custom, r.created_ms, r.modified_ms
  FROM record_find f
  JOIN record r ON r.key = f.key
 WHERE f.field = $1 AND f.word >= $2 AND f.word < $3
   AND f.key BETWEEN $4 AND $5
 ORDER BY f.word DESC, f.key;

-- name: find_page
-- in:   as find_rows, $6 limit, $7 offset: what is skipped is read from
--       record_find alone
SELECT r.key, r.id, r.source, r.account_name, r.first_name, r.last_name,
       r.phone, r.email, r.manager, r.start_ms, r.start_offset, r.end_ms,
       r.end_offset, r.custom, r.created_ms, r.modified_ms
  FROM (SELECT f.word, f.key
          FROM record_find f
         WHERE f.field = $1 AND f.word >= $2 AND f.word < $3
           AND f.key BETWEEN $4 AND $5
         ORDER BY f.word, f.key
         LIMIT $6 OFFSET $7) AS p
  JOIN record r ON r.key = p.key
 ORDER BY p.word, p.key;

-- name: find_page_down
-- in:   as find_rows, $6 limit, $7 offset: what is skipped is read from
--       record_find alone
SELECT r.key, r.id, r.source, r.account_name, r.first_name, r.last_name,
       r.phone, r.email, r.manager, r.start_ms, r.start_offset, r.end_ms,
       r.end_offset, r.custom, r.created_ms, r.modified_ms
  FROM (SELECT f.word, f.key
          FROM record_find f
         WHERE f.field = $1 AND f.word >= $2 AND f.word < $3
           AND f.key BETWEEN $4 AND $5
         ORDER BY f.word DESC, f.key
         LIMIT $6 OFFSET $7) AS p
  JOIN record r ON r.key = p.key
 ORDER BY p.word DESC, p.key;

-- name: find_count
-- in:   as find_rows
SELECT COUNT(*)
  FROM record_find f
 WHERE f.field = $1 AND f.word >= $2 AND f.word < $3
   AND f.key BETWEEN $4 AND $5;
