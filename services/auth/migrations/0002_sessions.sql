-- Sessions. Runs as hauberk_owner with the schema `auth` first in the search path.

-- Single sessions and single tokens of an issuer are revoked by epochs of their own.
ALTER TABLE auth.epochs DROP CONSTRAINT epochs_name_check;
ALTER TABLE auth.epochs ADD CONSTRAINT epochs_name_check
    CHECK (name ~ '^(o|u:.{1,128}|b:.{1,63}|s:ses_[0-9A-Za-z]{16,32}|t:.{1,128})$');
COMMENT ON TABLE auth.epochs IS
    'Revocation epochs of users (u:), brands (b:), sessions (s:), tokens (t:) and the organisation (o); no row = never';

CREATE TABLE auth.sessions (
    org_id         text COLLATE "C" NOT NULL,
    session_id     text COLLATE "C" NOT NULL CHECK (session_id ~ '^ses_[0-9A-Za-z]{16,32}$'),
    digest         bytea NOT NULL CHECK (octet_length(digest) = 32),
    pepper         text COLLATE "C" NOT NULL,
    subject        text COLLATE "C" NOT NULL,
    brand          text COLLATE "C" NOT NULL CHECK (brand <> ''),
    scopes         text[] COLLATE "C" NOT NULL CHECK (cardinality(scopes) <= 64),
    roles          text[] COLLATE "C" NOT NULL,
    credential_id  text COLLATE "C" NOT NULL,
    token_id       text COLLATE "C" NOT NULL DEFAULT '',
    -- What the session stands on: the epochs of the token that it was opened with, by name.
    epochs         jsonb NOT NULL CHECK (jsonb_typeof(epochs) = 'object'),
    authentication jsonb NOT NULL,
    limits         jsonb NOT NULL,
    addresses      cidr[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL CHECK (expires_at > created_at),
    last_seen_at   timestamptz NOT NULL,
    idle_seconds   integer NOT NULL CHECK (idle_seconds > 0),
    network        text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(network) <= 64),
    agent          text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(agent) <= 64),
    revoked_at     timestamptz,
    rotated_to     text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, session_id),
    -- The last wall against a scope that no user may hold, whatever wrote the row.
    CHECK (NOT scopes && ARRAY['settle', 'signal', 'grant', 'reset', 'restore']),
    CHECK (rotated_to = '' OR revoked_at IS NOT NULL)
);
COMMENT ON TABLE auth.sessions IS 'Sessions by keyed digest; the sessions themselves are kept nowhere';
COMMENT ON COLUMN auth.sessions.addresses IS 'networks of the API key that opened it; empty = any';
CREATE UNIQUE INDEX sessions_digest ON auth.sessions (digest);
CREATE INDEX sessions_order ON auth.sessions (org_id, subject, created_at, session_id);
SELECT hauberk.protect('auth.sessions');

-- The only question that precedes the tenant: which session has this digest, and when does its API key end? One row
-- at most, by a digest of 256 bits.
CREATE FUNCTION auth.session_by_digest(wanted bytea)
    RETURNS TABLE (session auth.sessions, key_ends_at timestamptz)
    LANGUAGE sql STABLE ROWS 1
AS $$
    SELECT s, least(k.revoked_at, k.expires_at, k.grace_until)
      FROM auth.sessions AS s
      LEFT JOIN auth.api_keys AS k ON k.org_id = s.org_id AND k.key_id = s.credential_id
     WHERE s.digest = wanted
$$;
COMMENT ON FUNCTION auth.session_by_digest(bytea) IS 'The session with exactly this digest, of whichever organisation';
REVOKE ALL ON FUNCTION auth.session_by_digest(bytea) FROM PUBLIC;
SELECT hauberk.exempt('auth.session_by_digest(bytea)'::regprocedure, 'auth.sessions'::regclass);
