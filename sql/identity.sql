-- Identities and workgroup members.

-- name: identity_insert     role: writer
INSERT INTO identity (id, number, alias, alias_key, name, name_key, email,
                      email_key, manager_id, levels, password_hash, created_ms,
                      modified_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)
ON CONFLICT (alias_key) DO NOTHING;

-- name: identity_by_id
SELECT id, number, alias, name, email, manager_id, levels, password_hash,
       created_ms, modified_ms
  FROM identity
 WHERE id = $1;

-- name: identity_by_alias
-- in:   $1 folded; columns as identity_by_id
SELECT id, number, alias, name, email, manager_id, levels, password_hash,
       created_ms, modified_ms
  FROM identity
 WHERE alias_key = $1;

-- name: identity_all
-- rows: many, by alias; columns as identity_by_id
SELECT id, number, alias, name, email, manager_id, levels, password_hash,
       created_ms, modified_ms
  FROM identity
 ORDER BY alias_key;

-- name: identity_alias_by_alias
-- in:   $1 folded
SELECT alias FROM identity WHERE alias_key = $1;

-- name: identity_alias_by_id
SELECT alias FROM identity WHERE id = $1;

-- name: identity_alias_by_email
-- in:   $1 folded; a second row: not one identity's own
SELECT alias FROM identity WHERE email_key = $1 LIMIT 2;

-- name: identity_alias_by_name
-- in:   $1 folded; a second row: not one identity's own
SELECT alias FROM identity WHERE name_key = $1 LIMIT 2;

-- name: identity_delete     role: writer
DELETE FROM identity WHERE id = $1;

-- name: identity_set_password     role: writer
UPDATE identity SET password_hash = $2, modified_ms = $3 WHERE id = $1;

-- name: workgroup_add     role: writer
INSERT INTO workgroup_member (workgroup, identity_id)
VALUES ($1, $2)
ON CONFLICT (workgroup, identity_id) DO NOTHING;

-- name: workgroup_remove     role: writer
DELETE FROM workgroup_member WHERE workgroup = $1 AND identity_id = $2;

-- name: workgroup_has
SELECT 1 FROM workgroup_member WHERE workgroup = $1 AND identity_id = $2;

-- name: workgroup_all
-- rows: many, by workgroup and alias
SELECT w.workgroup, w.identity_id, i.alias
  FROM workgroup_member w
  JOIN identity i ON i.id = w.identity_id
 ORDER BY w.workgroup, i.alias_key;
