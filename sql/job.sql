-- Bulk upload jobs.

-- name: job_insert     role: writer
-- No row changed: the idempotency key is taken.
INSERT INTO upload_job (id, source, status, actor, request_id, length, sha256,
                        idempotency_key, created_ms, modified_ms)
VALUES ($1, $2, 'PENDING', $3, $4, $5, $6, $7, $8, $8)
ON CONFLICT (source, idempotency_key) DO NOTHING;

-- name: job_waiting
-- in:   $1 source
SELECT COUNT(*) FROM upload_job WHERE source = $1 AND status = 'PENDING';

-- name: job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.id = $1;

-- name: job_newest
-- in:   $1 source; columns as job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.source = $1
 ORDER BY j.created_ms DESC, j.id DESC
 LIMIT 1;

-- name: job_by_key
-- in:   $1 source, $2 idempotency key; columns as job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.source = $1 AND j.idempotency_key = $2;

-- name: job_claim     role: writer
-- in:   $1 time
-- rows: the id of the job that was taken, or none
UPDATE upload_job
   SET status = 'IN_PROGRESS', modified_ms = $1
 WHERE id = (SELECT w.id
               FROM upload_job w
              WHERE w.status = 'PENDING'
                AND NOT EXISTS (SELECT 1
                                  FROM upload_job r
                                 WHERE r.source = w.source
                                   AND r.status = 'IN_PROGRESS')
              ORDER BY w.created_ms, w.id
              LIMIT 1)
RETURNING id;

-- name: job_requeue     role: writer
-- in:   $1 time
UPDATE upload_job
   SET status = 'PENDING', modified_ms = $1
 WHERE status = 'IN_PROGRESS';

-- name: job_update     role: writer
UPDATE upload_job
   SET status = $2, records_created = $3, records_updated = $4, errors = $5,
       modified_ms = $6
 WHERE id = $1;

-- name: job_active
-- in:   $1 source
SELECT 1
  FROM upload_job
 WHERE source = $1 AND status IN ('PENDING', 'IN_PROGRESS')
 LIMIT 1;
