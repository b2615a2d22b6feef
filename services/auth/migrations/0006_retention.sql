-- The door by which rows of this service go when their time has come; how long that is, policies/retention.yaml says.
-- Only the retention role may use it. Rows of a type that is `watched` go by the service itself: here they are counted.
CREATE FUNCTION auth.expire(
    kind text, orgs text[], classes text[], before timestamptz, most integer, held_orgs text[], held_subjects text[],
    doing boolean
) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    rule record;
BEGIN
    SELECT * INTO rule FROM (VALUES
        ('auth.sessions', 'd.expires_at', 'd.subject'::text, NULL::text, false),
        ('auth.api_keys', 'least(d.revoked_at, d.expires_at, d.grace_until)', 'd.subject', NULL, false),
        ('auth.key_uses', 'd.last_used_at', NULL, NULL, false),
        ('auth.key_notices', 'd.done_at', NULL, NULL, false),
        ('auth.revocations', 'd.raised_at', NULL, NULL, true)
    ) AS r (name, age, subject, class, watched) WHERE r.name = kind;
    IF NOT FOUND OR (doing AND rule.watched) THEN
        RAISE EXCEPTION 'nothing of this type is deleted here';
    END IF;
    RETURN hauberk.expire_rows(kind::regclass, rule.age, rule.subject, rule.class, orgs, classes, before, most, held_orgs,
                               held_subjects, doing);
END
$$;
COMMENT ON FUNCTION auth.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    IS 'Deletes, or counts, rows of one type that are past their time';
REVOKE ALL ON FUNCTION auth.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    FROM PUBLIC, hauberk_auth;
GRANT EXECUTE ON FUNCTION auth.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    TO hauberk_auth_retention;
SELECT hauberk.reach('auth.api_keys', '{SELECT, DELETE}');
SELECT hauberk.reach('auth.key_uses', '{SELECT, DELETE}');
SELECT hauberk.reach('auth.key_notices', '{SELECT, DELETE}');
SELECT hauberk.reach('auth.revocations', '{SELECT}');
SELECT hauberk.exempt('auth.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'auth.sessions', '{SELECT, DELETE}');
