-- Files of bulk uploads.

-- name: upload_file_insert     role: writer
INSERT INTO upload_file (id, source, kind, created_ms) VALUES ($1, $2, $3, $4);

-- name: upload_file_grow     role: writer
-- in:   $1 id, $2 bytes more
UPDATE upload_file
   SET length = length + $2
 WHERE id = $1 AND upload_id IS NULL;

-- name: upload_chunk_insert     role: writer
INSERT INTO upload_chunk (file_id, number, bytes) VALUES ($1, $2, $3);

-- name: upload_file_remove     role: writer
-- in:   $1 kind, $2 upload
DELETE FROM upload_file WHERE upload_id = $2 AND kind = $1;

-- name: upload_file_finish     role: writer
-- in:   $1 id, $2 upload
UPDATE upload_file SET upload_id = $2 WHERE id = $1 AND upload_id IS NULL;

-- name: upload_file_find
-- in:   $1 kind, $2 upload
SELECT id, source, length FROM upload_file WHERE upload_id = $2 AND kind = $1;

-- name: upload_chunk_find
SELECT bytes FROM upload_chunk WHERE file_id = $1 AND number = $2;

-- name: upload_file_drop     role: writer
-- A finished one stays.
DELETE FROM upload_file WHERE id = $1 AND upload_id IS NULL;

-- name: upload_file_sweep     role: writer
-- in:   $1 time before which nobody needs refused lines any more,
--       $2 time before which nobody writes a file any more
DELETE FROM upload_file
 WHERE (kind = 'REFUSED' AND created_ms < $1)
    OR (upload_id IS NULL AND created_ms < $2);
