-- What the authorization code flow remembers. Secrets (cookies, codes) are
-- kept as their SHA-256 only, so that this file lets nobody sign in.

ALTER TABLE client ADD COLUMN business_name TEXT;
ALTER TABLE client ADD COLUMN homepage_url TEXT;
ALTER TABLE client ADD COLUMN description TEXT;
ALTER TABLE client ADD COLUMN refresh_seconds INTEGER NOT NULL DEFAULT 86400;
ALTER TABLE client ADD COLUMN online INTEGER NOT NULL DEFAULT 0;
ALTER TABLE client ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
DROP INDEX client_by_identity;
CREATE INDEX client_by_owner ON client (identity_id, id);

-- A browser in which somebody signed in.
CREATE TABLE login_session (
    hash        BLOB    NOT NULL PRIMARY KEY, -- of the cookie
    identity_id BLOB    NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    password    TEXT    NOT NULL,             -- its hash at the sign-in: a new
                                              -- password ends the session
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX login_session_by_expiry ON login_session (expires_ms);
CREATE INDEX login_session_by_identity ON login_session (identity_id);

-- How often somebody tried a password in vain. The key is a hash of the alias
-- or address that was tried, whether it exists or not.
CREATE TABLE login_attempt (
    key        BLOB    NOT NULL PRIMARY KEY,
    tries      INTEGER NOT NULL,              -- since the last success
    locked_ms  INTEGER NOT NULL,              -- until then nobody may try
    expires_ms INTEGER NOT NULL               -- then it is forgotten
) STRICT;
CREATE INDEX login_attempt_by_expiry ON login_attempt (expires_ms);

-- Which client may act for whom, and with which scopes.
CREATE TABLE consent (
    identity_id BLOB    NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    client_id   BLOB    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    scopes      TEXT    NOT NULL,             -- space-separated
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (identity_id, client_id)
) STRICT;
CREATE INDEX consent_by_client ON consent (client_id);

-- Authorization codes. A used one stays for a while: that it comes again is
-- how we learn that it was stolen.
CREATE TABLE auth_code (
    hash         BLOB    NOT NULL PRIMARY KEY,
    client_id    BLOB    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    identity_id  BLOB    NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    redirect_uri TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    challenge    TEXT,                        -- S256; NULL: none was sent
    grant_id     BLOB    NOT NULL,            -- of what it becomes
    used         INTEGER NOT NULL DEFAULT 0,
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX auth_code_by_expiry ON auth_code (expires_ms);
CREATE INDEX auth_code_by_client ON auth_code (client_id);
CREATE INDEX auth_code_by_identity ON auth_code (identity_id);

-- What one code became: a family of access and refresh tokens, alive as long
-- as the row is there.
CREATE TABLE token_family (
    id          BLOB    NOT NULL PRIMARY KEY,
    client_id   BLOB    NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    identity_id BLOB    NOT NULL REFERENCES identity (id) ON DELETE CASCADE,
    scopes      TEXT    NOT NULL,
    refresh_id  BLOB,                         -- jti of the only good refresh
                                              -- token; NULL: there is none
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX token_family_by_expiry ON token_family (expires_ms);
CREATE INDEX token_family_by_client ON token_family (client_id);
CREATE INDEX token_family_by_identity ON token_family (identity_id);
