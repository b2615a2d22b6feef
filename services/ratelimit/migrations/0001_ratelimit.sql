-- Limits granted to one organisation for a while. Runs as hauberk_owner with the schema `ratelimit` first.

CREATE TABLE ratelimit.overrides (
    org_id     text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    limit_id   text COLLATE "C" NOT NULL CHECK (limit_id ~ '^[a-z0-9_.]{1,64}$'),
    amount     bigint NOT NULL CHECK (amount BETWEEN 0 AND 1000000000000),
    expires_at timestamptz NOT NULL,
    granted_by text COLLATE "C" NOT NULL CHECK (octet_length(granted_by) BETWEEN 1 AND 256),
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, limit_id)
);
COMMENT ON TABLE ratelimit.overrides IS 'Another amount for one limit of one organisation, until a time';
SELECT hauberk.protect('ratelimit.overrides');

-- Every process keeps all of them in memory, for all organisations: they are an operator's few.
CREATE FUNCTION ratelimit.read_overrides(most integer)
    RETURNS TABLE (org_id text, limit_id text, amount bigint, expires_at timestamptz)
    LANGUAGE sql STABLE
AS $$
    SELECT o.org_id, o.limit_id, o.amount, o.expires_at
      FROM ratelimit.overrides AS o
     WHERE o.expires_at > clock_timestamp()
     ORDER BY o.org_id, o.limit_id
     LIMIT most
$$;
COMMENT ON FUNCTION ratelimit.read_overrides(integer) IS 'The grants that stand, of all organisations';
REVOKE ALL ON FUNCTION ratelimit.read_overrides(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ratelimit.read_overrides(integer) TO hauberk_ratelimit;
SELECT hauberk.exempt('ratelimit.read_overrides(integer)', 'ratelimit.overrides', '{SELECT}');

-- An operator has no organisation to prove. Grants that are over go with the next one that is made.
CREATE FUNCTION ratelimit.grant_override(
    wanted_org text, wanted_limit text, wanted_amount bigint, wanted_end timestamptz, operator text
) RETURNS void
    LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM ratelimit.overrides AS o WHERE o.expires_at <= clock_timestamp();
    INSERT INTO ratelimit.overrides AS o (org_id, limit_id, amount, expires_at, granted_by)
    VALUES (wanted_org, wanted_limit, wanted_amount, wanted_end, operator)
    ON CONFLICT (org_id, limit_id) DO UPDATE
       SET amount = excluded.amount, expires_at = excluded.expires_at, granted_by = excluded.granted_by,
           granted_at = clock_timestamp();
END
$$;
COMMENT ON FUNCTION ratelimit.grant_override(text, text, bigint, timestamptz, text) IS 'Grants a limit for a while';
REVOKE ALL ON FUNCTION ratelimit.grant_override(text, text, bigint, timestamptz, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ratelimit.grant_override(text, text, bigint, timestamptz, text) TO hauberk_ratelimit;
SELECT hauberk.exempt('ratelimit.grant_override(text, text, bigint, timestamptz, text)', 'ratelimit.overrides',
    '{SELECT, INSERT, UPDATE, DELETE}');
