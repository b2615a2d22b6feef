-- API keys and revocation epochs. Runs as hauberk_owner with the schema `auth` first in the search path.

CREATE TABLE auth.api_keys (
    org_id       text COLLATE "C" NOT NULL,
    key_id       text COLLATE "C" NOT NULL CHECK (key_id ~ '^key_[0-9A-Za-z]{16,32}$'),
    digest       bytea NOT NULL CHECK (octet_length(digest) = 32),
    pepper       text COLLATE "C" NOT NULL,
    display_name text NOT NULL DEFAULT '' CHECK (length(display_name) <= 128),
    subject      text COLLATE "C" NOT NULL,
    brand        text COLLATE "C" NOT NULL DEFAULT '',
    scopes       text[] COLLATE "C" NOT NULL CHECK (cardinality(scopes) <= 64),
    last_four    text COLLATE "C" NOT NULL CHECK (length(last_four) = 4),
    created_by   text COLLATE "C" NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    rotated_to   text COLLATE "C" NOT NULL DEFAULT '',
    grace_until  timestamptz,
    epoch        bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    epoch_at     timestamptz,
    PRIMARY KEY (org_id, key_id),
    -- The last wall against a scope that no user may hold, whatever wrote the row.
    CHECK (NOT scopes && ARRAY['settle', 'signal', 'grant', 'reset', 'restore']),
    CHECK (rotated_to = '' OR grace_until IS NOT NULL)
);
COMMENT ON TABLE auth.api_keys IS 'API keys by keyed digest; the keys themselves are kept nowhere';
CREATE UNIQUE INDEX api_keys_digest ON auth.api_keys (digest);
CREATE INDEX api_keys_order ON auth.api_keys (org_id, created_at, key_id);
SELECT hauberk.protect('auth.api_keys');

CREATE TABLE auth.epochs (
    org_id    text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL CHECK (name ~ '^(o|u:.{1,128}|b:.{1,63})$'),
    epoch     bigint NOT NULL CHECK (epoch > 0),
    raised_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, name)
);
COMMENT ON TABLE auth.epochs IS 'Revocation epochs of users (u:), brands (b:) and the organisation (o); no row = never';
SELECT hauberk.protect('auth.epochs');

-- The only question that precedes the tenant: whose key has this digest? One row at most, by a digest of 256 bits.
CREATE FUNCTION auth.key_by_digest(wanted bytea) RETURNS SETOF auth.api_keys
    LANGUAGE sql STABLE ROWS 1
AS $$ SELECT * FROM auth.api_keys WHERE digest = wanted $$;
COMMENT ON FUNCTION auth.key_by_digest(bytea) IS 'The key with exactly this digest, of whichever organisation';
REVOKE ALL ON FUNCTION auth.key_by_digest(bytea) FROM PUBLIC;
SELECT hauberk.exempt('auth.key_by_digest(bytea)'::regprocedure, 'auth.api_keys'::regclass);
