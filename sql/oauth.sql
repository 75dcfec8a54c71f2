-- Sign-ins, consents, authorization codes and the tokens they become.

-- name: session_insert     role: writer
INSERT INTO login_session (hash, identity_id, password, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5);

-- name: session_identity
-- in:   $1 hash of the cookie, $2 now
SELECT s.identity_id
  FROM login_session s
  JOIN identity i ON i.id = s.identity_id AND i.password_hash = s.password
 WHERE s.hash = $1 AND s.expires_ms > $2;

-- name: session_delete     role: writer
DELETE FROM login_session WHERE hash = $1;

-- name: attempt_find
-- in:   $1 key, $2 now
SELECT tries, locked_ms FROM login_attempt WHERE key = $1 AND expires_ms > $2;

-- name: attempt_put     role: writer
INSERT INTO login_attempt (key, tries, locked_ms, expires_ms)
VALUES ($1, $2, $3, $4)
ON CONFLICT (key) DO UPDATE SET tries = $2, locked_ms = $3, expires_ms = $4;

-- name: attempt_delete     role: writer
DELETE FROM login_attempt WHERE key = $1;

-- name: consent_scopes
SELECT scopes FROM consent WHERE identity_id = $1 AND client_id = $2;

-- name: consent_put     role: writer
INSERT INTO consent (identity_id, client_id, scopes, created_ms)
VALUES ($1, $2, $3, $4)
ON CONFLICT (identity_id, client_id) DO UPDATE SET scopes = $3, created_ms = $4;

-- name: code_insert     role: writer
INSERT INTO auth_code (hash, client_id, identity_id, redirect_uri, scopes,
                       challenge, grant_id, created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: code_find
SELECT client_id, identity_id, redirect_uri, scopes, challenge, grant_id,
       used, expires_ms
  FROM auth_code
 WHERE hash = $1;

-- name: code_use     role: writer
UPDATE auth_code SET used = 1 WHERE hash = $1 AND used = 0;

-- name: family_insert     role: writer
INSERT INTO token_family (id, client_id, identity_id, scopes, refresh_id,
                          created_ms, expires_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: family_find
SELECT client_id, identity_id, scopes, refresh_id, created_ms, expires_ms
  FROM token_family
 WHERE id = $1;

-- name: family_rotate     role: writer
-- in:   $2 the refresh token that is used, $3 the one that follows
UPDATE token_family
   SET refresh_id = $3, expires_ms = $4
 WHERE id = $1 AND refresh_id = $2;

-- name: family_delete     role: writer
DELETE FROM token_family WHERE id = $1;

-- name: family_last_end
SELECT COALESCE(MAX(expires_ms), 0) FROM token_family;

-- name: session_sweep     role: writer
DELETE FROM login_session WHERE expires_ms <= $1;

-- name: attempt_sweep     role: writer
DELETE FROM login_attempt WHERE expires_ms <= $1;

-- name: code_sweep     role: writer
DELETE FROM auth_code WHERE expires_ms <= $1;

-- name: family_sweep     role: writer
DELETE FROM token_family WHERE expires_ms <= $1;
