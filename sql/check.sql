-- What must be so in every database: `nelm check`. Each statement returns what
-- is not, as a text before an id, the id (or NULL), and a text behind it.

-- name: check_numbers
-- Numbers that no registry has, with which nothing can be reckoned: the greatest
-- number of a source, and of its rows, is what a key has room for.
SELECT 'counter source is missing', NULL, ''
 WHERE NOT EXISTS (SELECT 1 FROM counter WHERE name = 'source')
 UNION ALL
SELECT 'counter identity is missing', NULL, ''
 WHERE NOT EXISTS (SELECT 1 FROM counter WHERE name = 'identity')
 UNION ALL
SELECT 'counter ' || name || ' is ' || value, NULL, ''
  FROM counter
 WHERE value < 0 OR (name = 'source' AND value > 134217727)
 UNION ALL
SELECT 'auth_epoch is ' || auth_epoch, NULL, ''
  FROM registry
 WHERE auth_epoch < 0 OR auth_epoch > 4503599627370496
 UNION ALL
SELECT 'source ' || number || ': next_row is ' || next_row
       || ', next_column is ' || next_column || ', record_count is '
       || record_count || ', revision is ' || revision, NULL, ''
  FROM source
 WHERE number < 1 OR number > 134217727
    OR next_row < 1 OR next_row > 68719476736
    OR next_column < 1 OR next_column > 4503599627370496
    OR record_count < 0 OR record_count > 68719476736
    OR revision < 0 OR revision > 4503599627370496
 UNION ALL
SELECT 'attribute number ' || number || ' of source ' || source, NULL, ''
  FROM schema_attribute
 WHERE number < 1 OR number > 4503599627370496
 UNION ALL
SELECT 'a chain of source ' || source || ' has ' || links || ' links', NULL, ''
  FROM chain
 WHERE links < 0 OR links > 4503599627370496;

-- name: check_references
-- An id that refers to a row that is not there.
SELECT 'identity.manager_id refers to identity ', a.manager_id,
       ', which is not there'
  FROM identity a
 WHERE a.manager_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.manager_id)
 UNION ALL
SELECT 'workgroup_member.identity_id refers to identity ', a.identity_id,
       ', which is not there'
  FROM workgroup_member a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
 UNION ALL
SELECT 'client.identity_id refers to identity ', a.identity_id,
       ', which is not there'
  FROM client a
 WHERE a.identity_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
 UNION ALL
SELECT 'source.owner_id refers to identity ', a.owner_id,
       ', which is not there'
  FROM source a
 WHERE a.owner_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.owner_id)
 UNION ALL
SELECT 'source_member.identity_id refers to identity ', a.identity_id,
       ', which is not there'
  FROM source_member a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
 UNION ALL
SELECT 'request.requester_id refers to identity ', a.requester_id,
       ', which is not there'
  FROM request a
 WHERE a.requester_id IS NOT NULL
   AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.requester_id)
 UNION ALL
SELECT 'approval_item.request_id refers to request ', a.request_id,
       ', which is not there'
  FROM approval_item a
 WHERE NOT EXISTS (SELECT 1 FROM request q WHERE q.id = a.request_id)
 UNION ALL
SELECT 'upload_chunk.file_id refers to upload_file ', a.file_id,
       ', which is not there'
  FROM upload_chunk a
 WHERE NOT EXISTS (SELECT 1 FROM upload_file f WHERE f.id = a.file_id)
 UNION ALL
SELECT 'login_session.identity_id refers to identity ', a.identity_id,
       ', which is not there'
  FROM login_session a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
 UNION ALL
SELECT 'consent refers to client ', a.client_id,
       ' or to an identity that is not there'
  FROM consent a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
    OR NOT EXISTS (SELECT 1 FROM client c WHERE c.id = a.client_id)
 UNION ALL
SELECT 'auth_code refers to client ', a.client_id,
       ' or to an identity that is not there'
  FROM auth_code a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
    OR NOT EXISTS (SELECT 1 FROM client c WHERE c.id = a.client_id)
 UNION ALL
SELECT 'token_family refers to client ', a.client_id,
       ' or to an identity that is not there'
  FROM token_family a
 WHERE NOT EXISTS (SELECT 1 FROM identity i WHERE i.id = a.identity_id)
    OR NOT EXISTS (SELECT 1 FROM client c WHERE c.id = a.client_id);

-- name: check_sources
-- A number of a source that is not there.
SELECT 'schema_attribute ', a.id, ' is of source ' || a.source
       || ', which is not there'
  FROM schema_attribute a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'request ', a.id, ' is of source ' || a.source || ', which is not there'
  FROM request a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'upload_job ', a.id, ' is of source ' || a.source
       || ', which is not there'
  FROM upload_job a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'upload_file ', a.id, ' is of source ' || a.source
       || ', which is not there'
  FROM upload_file a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'record ' || a.key || ' is of source ' || a.source
       || ', which is not there', NULL, ''
  FROM record a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'record_change of revision ' || a.revision || ' is of source '
       || a.source || ', which is not there', NULL, ''
  FROM record_change a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'record_history of revision ' || a.revision || ' is of source '
       || a.source || ', which is not there', NULL, ''
  FROM record_history a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source)
 UNION ALL
SELECT 'source_member is of source ' || a.source || ', which is not there',
       NULL, ''
  FROM source_member a
 WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.number = a.source);

-- name: check_counters
SELECT 'counter source is ' || c.value || ' and there is source '
       || MAX(s.number), NULL, ''
  FROM counter c, source s
 WHERE c.name = 'source'
 GROUP BY c.value
HAVING MAX(s.number) > c.value
 UNION ALL
SELECT 'counter identity is ' || c.value || ' and there is identity number '
       || MAX(i.number), NULL, ''
  FROM counter c, identity i
 WHERE c.name = 'identity'
 GROUP BY c.value
HAVING MAX(i.number) > c.value;

-- name: check_record_count
SELECT 'source ' || s.number || ': record_count is ' || s.record_count
       || ' and there are ' || COUNT(r.key), NULL, ''
  FROM source s
  LEFT JOIN record r
    ON r.key > s.number * 68719476736 AND r.key < (s.number + 1) * 68719476736
 GROUP BY s.number, s.record_count
HAVING COUNT(r.key) <> s.record_count;

-- name: check_record_key
SELECT 'record ' || r.key || ' is of source ' || r.source
       || ' and has a key of another one', NULL, ''
  FROM record r
 WHERE r.key / 68719476736 <> r.source;

-- name: check_next_row
SELECT 'source ' || s.number || ': next_row is ' || s.next_row
       || ' and there is row ' || MAX(r.key - s.number * 68719476736), NULL, ''
  FROM source s
  JOIN record r
    ON r.key > s.number * 68719476736 AND r.key < (s.number + 1) * 68719476736
 GROUP BY s.number, s.next_row
HAVING MAX(r.key - s.number * 68719476736) >= s.next_row;

-- name: check_attributes
SELECT 'source ' || s.number || ' has ' || COUNT(a.id)
       || ' built-in attributes and not 8', NULL, ''
  FROM source s
  LEFT JOIN schema_attribute a
    ON a.source = s.number AND a.number BETWEEN 1 AND 8
 GROUP BY s.number
HAVING COUNT(a.id) <> 8;

-- name: check_next_column
SELECT 'schema_attribute ', a.id, ' has number ' || a.number
       || ' and next_column of source ' || s.number || ' is ' || s.next_column
  FROM schema_attribute a
  JOIN source s ON s.number = a.source
 WHERE a.number < 1 OR a.number >= s.next_column;

-- name: check_members
SELECT 'source ' || m.source || ': the positions of its ' || m.role
       || ' members do not count from 0', NULL, ''
  FROM source_member m
 GROUP BY m.source, m.role
HAVING MIN(m.position) <> 0 OR MAX(m.position) <> COUNT(*) - 1;

-- name: check_created
-- Ranges of keys that were created follow each other from 1 to next_row.
SELECT 'source ' || c.source || ', revision ' || c.revision
       || ': created rows begin with ' || (c.key - c.source * 68719476736)
       || ' and not with ' || c.expected, NULL, ''
  FROM (SELECT source, revision, key,
               COALESCE(LAG(last_key) OVER (PARTITION BY source
                                            ORDER BY revision)
                        - source * 68719476736, 0) + 1 AS expected
          FROM record_history
         WHERE change = 'C') c
 WHERE c.key - c.source * 68719476736 <> c.expected
 UNION ALL
SELECT 'source ' || s.number || ': next_row is ' || s.next_row
       || ' and its history has created '
       || COALESCE(MAX(h.last_key) - s.number * 68719476736, 0) || ' rows',
       NULL, ''
  FROM source s
  LEFT JOIN record_history h
    ON h.source = s.number AND h.change = 'C'
 GROUP BY s.number, s.next_row
HAVING COALESCE(MAX(h.last_key) - s.number * 68719476736, 0) <> s.next_row - 1;

-- name: check_deleted
-- What was created is there or was deleted, and not both.
SELECT 'record ' || h.key || ' is there and its history says that revision '
       || h.revision || ' deleted it', NULL, ''
  FROM record_history h
  JOIN record r ON r.key = h.key
 WHERE h.change = 'D'
 UNION ALL
SELECT 'source ' || s.number || ': ' || (s.next_row - 1 - s.record_count)
       || ' created records are gone and its history has deleted '
       || COUNT(h.key), NULL, ''
  FROM source s
  LEFT JOIN record_history h
    ON h.source = s.number AND h.change = 'D'
 GROUP BY s.number, s.next_row, s.record_count
HAVING COUNT(h.key) <> s.next_row - 1 - s.record_count;

-- name: check_gone
-- Each deletion is counted in its segment.
SELECT 'source ' || (segment / 67108864) || ': ' || SUM(counted)
       || ' records are counted as gone from rows '
       || (segment % 67108864 * 1024) || ' on, and its history has deleted '
       || SUM(deleted), NULL, ''
  FROM (SELECT segment, gone AS counted, 0 AS deleted
          FROM record_gone
         UNION ALL
        SELECT key / 1024, 0, 1
          FROM record_history
         WHERE change = 'D') AS both_of
 GROUP BY segment
HAVING SUM(counted) <> SUM(deleted);

-- name: check_after_delete
SELECT 'record ' || h.key || ': its history goes on in revision ' || h.revision
       || ' after it was deleted in revision ' || d.revision, NULL, ''
  FROM record_history d
  JOIN record_history h
    ON h.key = d.key AND h.revision > d.revision AND h.record_id IS NOT NULL
 WHERE d.change = 'D';

-- name: check_before_create
SELECT 'record ' || h.key || ': its history has revision ' || h.revision
       || ' and it was created in revision ' || c.revision, NULL, ''
  FROM record_history c
  JOIN record_history h
    ON h.key BETWEEN c.key AND c.last_key AND h.record_id IS NOT NULL
   AND h.revision <= c.revision
 WHERE c.change = 'C';

-- name: check_history_shape
SELECT 'source ' || h.source || ', revision ' || h.revision
       || ': the history of record ' || h.key || ' is not whole', NULL, ''
  FROM record_history h
 WHERE (h.change = 'C') <> (h.record_id IS NULL)
    OR (h.change = 'C') <> (h.line IS NULL)
    OR h.last_key < h.key
    OR (h.change <> 'C' AND h.last_key <> h.key)
    OR h.key / 68719476736 <> h.source;

-- name: check_history_id
-- A record keeps its id.
SELECT 'record ' || h.key || ' had another id before revision ' || h.revision
       || ': ', h.record_id, ''
  FROM record_history h
  JOIN record r ON r.key = h.key
 WHERE h.record_id <> r.id;

-- name: check_changes
SELECT 'source ' || h.source || ': revision ' || h.revision
       || ' has history and no record_change', NULL, ''
  FROM record_history h
 WHERE NOT EXISTS (SELECT 1
                     FROM record_change c
                    WHERE c.source = h.source AND c.revision = h.revision)
 UNION ALL
SELECT 'source ' || c.source || ': revision ' || c.revision
       || ' has a record_change and no history', NULL, ''
  FROM record_change c
 WHERE NOT EXISTS (SELECT 1
                     FROM record_history h
                    WHERE h.source = c.source AND h.revision = c.revision)
 UNION ALL
SELECT 'source ' || s.number || ' has revision ' || s.revision
       || ' and a change to revision ' || MAX(c.revision), NULL, ''
  FROM source s
  JOIN record_change c ON c.source = s.number
 GROUP BY s.number, s.revision
HAVING MAX(c.revision) > s.revision;

-- name: check_requests
SELECT 'request ', q.id, ' is ' || q.status || ' and has ' || COUNT(a.id)
       || ' approval items that wait for somebody'
  FROM request q
  LEFT JOIN approval_item a
    ON a.request_id = q.id AND a.status = 'PENDING'
 GROUP BY q.id, q.status
HAVING COUNT(a.id) <> CASE WHEN q.status = 'PENDING' THEN 1 ELSE 0 END
 UNION ALL
SELECT 'request ', q.id, ' is ' || q.status
       || ' and has an approval item whose turn is still to come'
  FROM request q
  JOIN approval_item a
    ON a.request_id = q.id AND a.status = 'NOT_READY'
 WHERE q.status <> 'PENDING'
 UNION ALL
SELECT 'request ', q.id, ' is ' || q.status
       || ' and its completion says otherwise'
  FROM request q
 WHERE (q.status = 'PENDING') <> (q.completion_ms IS NULL);

-- name: check_approvals
SELECT 'request ', a.request_id,
       ': the positions of its approval items do not count from 0'
  FROM approval_item a
 GROUP BY a.request_id
HAVING MIN(a.position) <> 0 OR MAX(a.position) <> COUNT(*) - 1;

-- name: check_jobs
SELECT 'upload_job ', j.id, ' is ' || j.status || ' and has no file'
  FROM upload_job j
 WHERE j.status IN ('PENDING', 'IN_PROGRESS')
   AND NOT EXISTS (SELECT 1
                     FROM upload_file f
                    WHERE f.upload_id = j.id AND f.kind = 'WAITING'
                      AND f.length = j.length)
 UNION ALL
SELECT 'upload_job ', j.id, ' is ' || j.status
       || ' and its node says otherwise'
  FROM upload_job j
 WHERE (j.status = 'IN_PROGRESS') <> (j.node IS NOT NULL);

-- name: check_files
SELECT 'upload_file ', f.id, ' has ' || f.length
       || ' bytes and its chunks have ' || COALESCE(SUM(LENGTH(c.bytes)), 0)
  FROM upload_file f
  LEFT JOIN upload_chunk c ON c.file_id = f.id
 GROUP BY f.id, f.length
HAVING COALESCE(SUM(LENGTH(c.bytes)), 0) <> f.length
    OR (COUNT(c.number) > 0 AND MAX(c.number) <> COUNT(c.number) - 1);
