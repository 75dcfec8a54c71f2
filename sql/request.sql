-- Requests for people and their approval items.

-- name: request_insert     role: writer
-- No row changed: a pending request of the source has the account name.
INSERT INTO request (id, source, requester_id, status, account_name,
                     account_key, first_name, last_name, phone, email, manager,
                     start_ms, start_offset, end_ms, end_offset, custom,
                     completion_ms, created_ms, modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
        $17, $18, $18)
ON CONFLICT (source, account_key) WHERE status = 'PENDING' DO NOTHING;

-- name: request_by_id
SELECT q.id, q.source, q.requester_id, i.name, q.status, q.account_name,
       q.first_name, q.last_name, q.phone, q.email, q.manager, q.start_ms,
       q.start_offset, q.end_ms, q.end_offset, q.custom, q.completion_ms,
       q.created_ms, q.modified_ms
  FROM request q
  LEFT JOIN identity i ON i.id = q.requester_id
 WHERE q.id = $1;

-- name: request_pending
-- in:   $1 source, $2 folded account name
SELECT 1
  FROM request
 WHERE source = $1 AND account_key = $2 AND status = 'PENDING';

-- name: request_set_status     role: writer
-- in:   $1 id, $2 status, $3 time, $4 time of completion or NULL
UPDATE request
   SET status = $2, modified_ms = $3, completion_ms = $4
 WHERE id = $1;

-- name: request_delete     role: writer
-- Takes its approval items with it.
DELETE FROM request WHERE id = $1;

-- name: request_summary
-- in:   $1 account manager
SELECT COUNT(*) FILTER (WHERE q.status = 'APPROVED'),
       COUNT(*) FILTER (WHERE q.status = 'REJECTED'),
       COUNT(*) FILTER (WHERE q.status = 'PENDING')
  FROM source_member m
  JOIN request q ON q.source = m.source
 WHERE m.identity_id = $1 AND m.role = 'MANAGER';

-- name: request_summary_records
-- in:   $1 account manager
SELECT CAST(COALESCE(SUM(s.record_count), 0) AS BIGINT)
  FROM source_member m
  JOIN source s ON s.number = m.source
 WHERE m.identity_id = $1 AND m.role = 'MANAGER';

-- name: approval_insert     role: writer
INSERT INTO approval_item (id, request_id, position, approver_id,
                           approver_name, status, comment, created_ms,
                           modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8);

-- name: approval_by_id
SELECT a.id, a.request_id, a.position, a.approver_id, a.approver_name,
       q.account_name, a.status, a.comment, a.created_ms, a.modified_ms,
       q.requester_id, i.name
  FROM approval_item a
  JOIN request q ON q.id = a.request_id
  LEFT JOIN identity i ON i.id = q.requester_id
 WHERE a.id = $1;

-- name: approval_chain
-- in:   $1 request; columns as approval_by_id
SELECT a.id, a.request_id, a.position, a.approver_id, a.approver_name,
       q.account_name, a.status, a.comment, a.created_ms, a.modified_ms,
       q.requester_id, i.name
  FROM approval_item a
  JOIN request q ON q.id = a.request_id
  LEFT JOIN identity i ON i.id = q.requester_id
 WHERE a.request_id = $1
 ORDER BY a.position;

-- name: approval_update     role: writer
UPDATE approval_item
   SET status = $2, comment = $3, modified_ms = $4
 WHERE id = $1;

-- name: approval_open_requests
-- in:   $1 approver
-- rows: many, in the order of creation
SELECT a.request_id
  FROM approval_item a
  JOIN request q ON q.id = a.request_id
 WHERE a.approver_id = $1 AND a.status IN ('NOT_READY', 'PENDING')
   AND q.status = 'PENDING'
 ORDER BY a.created_ms, a.id;

-- name: approval_summary
-- in:   $1 approver
SELECT COUNT(*) FILTER (WHERE status = 'APPROVED'),
       COUNT(*) FILTER (WHERE status = 'REJECTED'),
       COUNT(*) FILTER (WHERE status = 'PENDING')
  FROM approval_item
 WHERE approver_id = $1;
