-- What anyone did besides changing records.

-- name: audit_add     role: writer
INSERT INTO audit (at_ms, event, actor, request_id, object_id, source, detail,
                   link, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);
