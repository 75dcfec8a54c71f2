-- Bulk upload jobs.

-- name: job_insert     role: writer
-- No row changed: the idempotency key is taken.
INSERT INTO upload_job (id, source, status, actor, request_id, length, sha256,
                        idempotency_key, guarded, created_ms, modified_ms)
VALUES ($1, $2, 'PENDING', $3, $4, $5, $6, $7, $9, $8, $8)
ON CONFLICT (source, idempotency_key) DO NOTHING;

-- name: job_statuses
-- rows: one per status that there is
SELECT status, COUNT(*) FROM upload_job GROUP BY status;

-- name: job_waiting
-- in:   $1 source
SELECT COUNT(*) FROM upload_job WHERE source = $1 AND status = 'PENDING';

-- name: job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256, j.guarded
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.id = $1;

-- name: job_newest
-- in:   $1 source; columns as job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256, j.guarded
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.source = $1
 ORDER BY j.created_ms DESC, j.id DESC
 LIMIT 1;

-- name: job_by_key
-- in:   $1 source, $2 idempotency key; columns as job_by_id
SELECT j.id, j.source, s.source_id, j.status, j.actor, j.request_id, j.length,
       j.created_ms, j.modified_ms, j.records_created, j.records_updated,
       j.errors, j.idempotency_key, j.sha256, j.guarded
  FROM upload_job j
  JOIN source s ON s.number = j.source
 WHERE j.source = $1 AND j.idempotency_key = $2;

-- name: job_next
-- rows: the oldest waiting job of a source without a running one
SELECT w.id
  FROM upload_job w
 WHERE w.status = 'PENDING'
   AND NOT EXISTS (SELECT 1
                     FROM upload_job r
                    WHERE r.source = w.source AND r.status = 'IN_PROGRESS')
 ORDER BY w.created_ms, w.id
 LIMIT 1;

-- name: job_running
-- rows: all, with the beat of their nodes
SELECT j.id, j.node, COALESCE(n.beat, 0)
  FROM upload_job j
  LEFT JOIN node n ON n.id = j.node
 WHERE j.status = 'IN_PROGRESS'
 ORDER BY j.created_ms, j.id;

-- name: job_claim     role: writer
-- in:   $1 id, $2 node, $3 time
-- No row changed: another node was faster.
UPDATE upload_job
   SET status = 'IN_PROGRESS', node = $2, modified_ms = $3
 WHERE id = $1 AND status = 'PENDING';

-- name: job_take_over     role: writer
-- in:   $1 id, $2 node, $3 time, $4 the node before, $5 its last beat
UPDATE upload_job
   SET node = $2, modified_ms = $3
 WHERE id = $1 AND status = 'IN_PROGRESS' AND node = $4
   AND COALESCE((SELECT beat FROM node WHERE id = $4), 0) = $5;

-- name: job_release     role: writer
-- in:   $1 id, $2 node, $3 time
UPDATE upload_job
   SET status = 'PENDING', node = NULL, modified_ms = $3
 WHERE id = $1 AND status = 'IN_PROGRESS' AND node = $2;

-- name: job_held
-- in:   $1 id, $2 node
SELECT 1
  FROM upload_job
 WHERE id = $1 AND status = 'IN_PROGRESS' AND node = $2;

-- name: job_end     role: writer
-- in:   $1 id, $2 node, $3 status, $4 created, $5 updated, $6 errors, $7 time
UPDATE upload_job
   SET status = $3, node = NULL, records_created = $4, records_updated = $5,
       errors = $6, modified_ms = $7
 WHERE id = $1 AND status = 'IN_PROGRESS' AND node = $2;

-- name: job_errors     role: writer
-- in:   $1 id, $2 errors
UPDATE upload_job SET errors = $2 WHERE id = $1;

-- name: node_beat     role: writer
INSERT INTO node (id, beat) VALUES ($1, 1)
ON CONFLICT (id) DO UPDATE SET beat = node.beat + 1;

-- name: node_sweep     role: writer
DELETE FROM node
 WHERE NOT EXISTS (SELECT 1
                     FROM upload_job j
                    WHERE j.node = node.id AND j.status = 'IN_PROGRESS');

-- name: job_active
-- in:   $1 source
SELECT 1
  FROM upload_job
 WHERE source = $1 AND status IN ('PENDING', 'IN_PROGRESS')
 LIMIT 1;
