-- API keys, complete: imported hashes, address lists, limits of their own, use, notices to their owner.

ALTER TABLE auth.api_keys
    ADD COLUMN alg        text COLLATE "C" NOT NULL DEFAULT 'text' CHECK (alg IN ('text', 'sha256')),
    ADD COLUMN addresses  cidr[] NOT NULL DEFAULT '{}' CHECK (cardinality(addresses) <= 64),
    ADD COLUMN limits     jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(limits) <= 8),
    ADD COLUMN not_before timestamptz,
    ADD COLUMN rotated_at timestamptz,
    ADD COLUMN leaked_at  timestamptz;
COMMENT ON COLUMN auth.api_keys.alg IS 'what the pepper was applied to: the text of the key, or its SHA-256 (imported)';
COMMENT ON COLUMN auth.api_keys.addresses IS 'networks that the key may be used from; empty = any';
-- What is about to end: asked each minute for the notices.
CREATE INDEX api_keys_end ON auth.api_keys (least(expires_at, grace_until)) WHERE revoked_at IS NULL;

CREATE TABLE auth.key_settings (
    org_id         text COLLATE "C" NOT NULL PRIMARY KEY,
    on_leak        text COLLATE "C" NOT NULL DEFAULT 'revoke' CHECK (on_leak IN ('revoke', 'rotate', 'alert')),
    webhook_url    text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(webhook_url) <= 512),
    webhook_secret bytea,
    webhook_at     timestamptz,
    CHECK (webhook_url = '' OR webhook_secret IS NOT NULL)
);
COMMENT ON TABLE auth.key_settings IS 'per organisation: what a reported leak does, and where notices go (secret sealed)';
SELECT hauberk.protect('auth.key_settings');

-- The outbox. A notice is written in the transaction of its cause, and is delivered at least once or given up on.
CREATE TABLE auth.key_notices (
    org_id     text COLLATE "C" NOT NULL,
    notice_id  text COLLATE "C" NOT NULL,
    key_id     text COLLATE "C" NOT NULL,
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('rotated', 'expiring', 'grace_ending', 'leaked')),
    mark       text COLLATE "C" NOT NULL DEFAULT '',
    body       jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at     timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0,
    done_at    timestamptz,
    delivered  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (org_id, notice_id),
    UNIQUE (org_id, key_id, kind, mark)
);
COMMENT ON TABLE auth.key_notices IS 'what the owners of API keys are told by webhook; mark tells two of a kind apart';
CREATE INDEX key_notices_due ON auth.key_notices (due_at) WHERE done_at IS NULL;
SELECT hauberk.protect('auth.key_notices');

CREATE TABLE auth.key_uses (
    org_id       text COLLATE "C" NOT NULL,
    key_id       text COLLATE "C" NOT NULL,
    workload     text COLLATE "C" NOT NULL,
    network      text COLLATE "C" NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, key_id, workload, network)
);
COMMENT ON TABLE auth.key_uses IS 'who used a key last, by workload and coarse network (/24, /48), to the minute';
CREATE INDEX key_uses_latest ON auth.key_uses (org_id, key_id, last_used_at DESC);
SELECT hauberk.protect('auth.key_uses');

-- The doors of the work that goes over all organisations. None returns anything of a key.
CREATE FUNCTION auth.has_key_webhook(wanted text) RETURNS boolean
    LANGUAGE sql STABLE
AS $$ SELECT EXISTS (SELECT FROM auth.key_settings WHERE org_id = wanted AND webhook_url <> '') $$;
COMMENT ON FUNCTION auth.has_key_webhook(text) IS 'Whether an organisation wants notices';
REVOKE ALL ON FUNCTION auth.has_key_webhook(text) FROM PUBLIC;
SELECT hauberk.exempt('auth.has_key_webhook(text)'::regprocedure, 'auth.key_settings'::regclass);

-- Notices of what ends within 7 days and within 1 day. Not for a key whose whole life, or grace, is no longer than that
-- (the hour: its end is by another clock than its beginning).
CREATE FUNCTION auth.plan_key_notices(moment timestamptz) RETURNS bigint
    LANGUAGE sql VOLATILE
AS $$
    WITH gone AS (
        DELETE FROM auth.key_notices WHERE done_at < moment - interval '30 days'
    ), ends AS (
        SELECT k.org_id, k.key_id, least(k.expires_at, k.grace_until) AS ends_at,
               k.grace_until IS NOT NULL AND k.grace_until <= coalesce(k.expires_at, k.grace_until) AS in_grace,
               coalesce(k.rotated_at, k.created_at) AS since
          FROM auth.api_keys AS k
         WHERE k.revoked_at IS NULL
           AND least(k.expires_at, k.grace_until) > moment
           AND least(k.expires_at, k.grace_until) <= moment + interval '7 days'
    ), near AS (
        SELECT *, CASE WHEN ends_at <= moment + interval '1 day' THEN 1 ELSE 7 END AS days FROM ends
    ), planned AS (
        INSERT INTO auth.key_notices (org_id, notice_id, key_id, kind, mark, body, due_at)
        SELECT n.org_id, 'msg_' || replace(gen_random_uuid()::text, '-', ''), n.key_id,
               CASE WHEN n.in_grace THEN 'grace_ending' ELSE 'expiring' END,
               n.days || 'd@' || floor(extract(epoch FROM n.ends_at)),
               jsonb_build_object('ends_at', floor(extract(epoch FROM n.ends_at))), moment
          FROM near AS n
         WHERE n.since < n.ends_at - n.days * interval '1 day' - interval '1 hour' AND auth.has_key_webhook(n.org_id)
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM planned
$$;
COMMENT ON FUNCTION auth.plan_key_notices(timestamptz) IS 'Writes the notices of keys that end soon; forgets old ones';
REVOKE ALL ON FUNCTION auth.plan_key_notices(timestamptz) FROM PUBLIC;
SELECT hauberk.exempt('auth.plan_key_notices(timestamptz)'::regprocedure, 'auth.key_notices'::regclass,
                      '{SELECT,INSERT,DELETE}');

-- Takes notices for one attempt. Until the lease ends nobody else gets them; a process that dies thus loses none.
CREATE FUNCTION auth.claim_key_notices(moment timestamptz, lease interval, most integer)
    RETURNS TABLE (org_id text, notice_id text)
    LANGUAGE sql VOLATILE
AS $$
    UPDATE auth.key_notices AS n SET attempts = n.attempts + 1, due_at = moment + lease
      FROM (SELECT d.org_id, d.notice_id FROM auth.key_notices AS d WHERE d.done_at IS NULL AND d.due_at <= moment
             ORDER BY d.due_at LIMIT least(most, 100) FOR UPDATE SKIP LOCKED) AS due
     WHERE n.org_id = due.org_id AND n.notice_id = due.notice_id
    RETURNING n.org_id, n.notice_id
$$;
COMMENT ON FUNCTION auth.claim_key_notices(timestamptz, interval, integer) IS 'The ids of notices that are to be sent now';
REVOKE ALL ON FUNCTION auth.claim_key_notices(timestamptz, interval, integer) FROM PUBLIC;
SELECT hauberk.exempt('auth.claim_key_notices(timestamptz, interval, integer)'::regprocedure,
                      'auth.key_notices'::regclass, '{SELECT,UPDATE}');

-- For the operator who wants to take an old pepper away: numbers over all organisations, and nothing else.
CREATE FUNCTION auth.keys_by_pepper(moment timestamptz) RETURNS TABLE (pepper text, kept bigint, usable bigint)
    LANGUAGE sql STABLE
AS $$
    SELECT k.pepper, count(*), count(*) FILTER (WHERE k.revoked_at IS NULL
           AND coalesce(least(k.expires_at, k.grace_until), 'infinity') > moment)
      FROM auth.api_keys AS k GROUP BY k.pepper
$$;
COMMENT ON FUNCTION auth.keys_by_pepper(timestamptz) IS 'How many keys still need each version of the pepper';
REVOKE ALL ON FUNCTION auth.keys_by_pepper(timestamptz) FROM PUBLIC;
SELECT hauberk.exempt('auth.keys_by_pepper(timestamptz)'::regprocedure, 'auth.api_keys'::regclass);
