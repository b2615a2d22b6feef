-- The door by which rows of this service go when their time has come; how long that is, policies/retention.yaml says.
-- Only the retention role may use it. Rows of a type that is `watched` go by the service itself: here they are counted.
CREATE FUNCTION ratelimit.expire(
    kind text, orgs text[], classes text[], before timestamptz, most integer, held_orgs text[], held_subjects text[],
    doing boolean
) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    rule record;
BEGIN
    SELECT * INTO rule FROM (VALUES
        ('ratelimit.overrides', 'd.expires_at', NULL::text, NULL::text, false),
        ('ratelimit.ledger', 'timestamptz ''epoch'' + d.at_us * interval ''1 microsecond''', NULL, NULL, true),
        ('ratelimit.holds', 'timestamptz ''epoch'' + d.expires_us * interval ''1 microsecond''', NULL, NULL, true),
        ('ratelimit.spent', 'timestamptz ''epoch'' + d.ends_s * interval ''1 second''', NULL, NULL, true),
        ('ratelimit.used', 'timestamptz ''epoch'' + d.ends_s * interval ''1 second''', NULL, NULL, true),
        ('ratelimit.resets', 'timestamptz ''epoch'' + d.at_us * interval ''1 microsecond''', NULL, NULL, true)
    ) AS r (name, age, subject, class, watched) WHERE r.name = kind;
    IF NOT FOUND OR (doing AND rule.watched) THEN
        RAISE EXCEPTION 'nothing of this type is deleted here';
    END IF;
    RETURN hauberk.expire_rows(kind::regclass, rule.age, rule.subject, rule.class, orgs, classes, before, most, held_orgs,
                               held_subjects, doing);
END
$$;
COMMENT ON FUNCTION ratelimit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    IS 'Deletes, or counts, rows of one type that are past their time';
REVOKE ALL ON FUNCTION ratelimit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    FROM PUBLIC, hauberk_ratelimit;
GRANT EXECUTE ON FUNCTION ratelimit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    TO hauberk_ratelimit_retention;
SELECT hauberk.reach('ratelimit.ledger', '{SELECT}');
SELECT hauberk.reach('ratelimit.holds', '{SELECT}');
SELECT hauberk.reach('ratelimit.spent', '{SELECT}');
SELECT hauberk.reach('ratelimit.used', '{SELECT}');
SELECT hauberk.reach('ratelimit.resets', '{SELECT}');
SELECT hauberk.exempt('ratelimit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'ratelimit.overrides', '{SELECT, DELETE}');
