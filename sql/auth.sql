-- The registry row, clients and signing keys.

-- name: registry_find
SELECT id, tenant_name, auth_epoch, created_ms FROM registry WHERE one = 1;

-- name: registry_insert     role: writer
INSERT INTO registry (one, id, tenant_name, auth_epoch, created_ms)
VALUES (1, $1, $2, $3, $4)
ON CONFLICT (one) DO NOTHING;

-- name: auth_epoch
SELECT auth_epoch FROM registry WHERE one = 1;

-- name: auth_epoch_move     role: writer
UPDATE registry SET auth_epoch = auth_epoch + 1 WHERE one = 1;

-- name: client_insert     role: writer
INSERT INTO client (id, kind, name, secret_sha256, identity_id, scopes, grants,
                    redirect_uris, token_seconds, expires_ms, created_ms,
                    modified_ms, business_name, homepage_url, description,
                    refresh_seconds, online, disabled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13, $14, $15,
        $16, $17);

-- name: client_update     role: writer
-- Everything that may change. What a client is (kind, owner) never does.
UPDATE client
   SET name = $2, scopes = $3, grants = $4, redirect_uris = $5,
       token_seconds = $6, business_name = $7, homepage_url = $8,
       description = $9, refresh_seconds = $10, online = $11, disabled = $12,
       modified_ms = $13
 WHERE id = $1;

-- name: client_by_id
SELECT id, kind, name, secret_sha256, identity_id, scopes, grants,
       redirect_uris, token_seconds, expires_ms, created_ms, modified_ms,
       last_used_ms, business_name, homepage_url, description,
       refresh_seconds, online, disabled
  FROM client
 WHERE id = $1;

-- name: client_all
-- in:   $1 kind
-- rows: many, in the order of creation; columns as client_by_id
SELECT id, kind, name, secret_sha256, identity_id, scopes, grants,
       redirect_uris, token_seconds, expires_ms, created_ms, modified_ms,
       last_used_ms, business_name, homepage_url, description,
       refresh_seconds, online, disabled
  FROM client
 WHERE kind = $1
 ORDER BY id;

-- name: client_of_identity
-- rows: many, in the order of creation; columns as client_by_id
SELECT id, kind, name, secret_sha256, identity_id, scopes, grants,
       redirect_uris, token_seconds, expires_ms, created_ms, modified_ms,
       last_used_ms, business_name, homepage_url, description,
       refresh_seconds, online, disabled
  FROM client
 WHERE identity_id = $1
 ORDER BY id;

-- name: client_delete     role: writer
DELETE FROM client WHERE kind = $1 AND id = $2;

-- name: client_longest_refresh
SELECT COALESCE(MAX(refresh_seconds), 0)
  FROM client
 WHERE grants LIKE '%REFRESH_TOKEN%';

-- name: client_used     role: writer
UPDATE client SET last_used_ms = $2 WHERE id = $1;

-- name: signing_key_insert     role: writer
INSERT INTO signing_key (kid, private_der, created_ms, expires_ms)
VALUES ($1, $2, $3, $4);

-- name: signing_key_all
-- rows: newest first
SELECT kid, private_der, created_ms, expires_ms
  FROM signing_key
 ORDER BY created_ms DESC, kid DESC;

-- name: signing_key_retire     role: writer
UPDATE signing_key SET expires_ms = $1 WHERE expires_ms IS NULL;

-- name: signing_key_sweep     role: writer
-- Those in use only when everything goes.
DELETE FROM signing_key
 WHERE COALESCE(expires_ms, 9223372036854775807) <= $1;
