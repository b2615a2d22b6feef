-- The door by which rows of this service go when their time has come; how long that is, policies/retention.yaml says.
-- Only the retention role may use it. Rows of a type that is `watched` go by the service itself: here they are counted.
CREATE FUNCTION tenancy.expire(
    kind text, orgs text[], classes text[], before timestamptz, most integer, held_orgs text[], held_subjects text[],
    doing boolean
) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    rule record;
BEGIN
    SELECT * INTO rule FROM (VALUES
        ('tenancy.conversations', 'd.last_at', 'd.user_id'::text, 'd.retention'::text, false),
        ('tenancy.invitations', 'd.expires_at', 'd.user_id', NULL, false)
    ) AS r (name, age, subject, class, watched) WHERE r.name = kind;
    IF NOT FOUND OR (doing AND rule.watched) THEN
        RAISE EXCEPTION 'nothing of this type is deleted here';
    END IF;
    RETURN hauberk.expire_rows(kind::regclass, rule.age, rule.subject, rule.class, orgs, classes, before, most, held_orgs,
                               held_subjects, doing);
END
$$;
COMMENT ON FUNCTION tenancy.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    IS 'Deletes, or counts, rows of one type that are past their time';
REVOKE ALL ON FUNCTION tenancy.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    FROM PUBLIC, hauberk_tenancy;
GRANT EXECUTE ON FUNCTION tenancy.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    TO hauberk_tenancy_retention;
SELECT hauberk.reach('tenancy.invitations', '{SELECT, DELETE}');
SELECT hauberk.exempt('tenancy.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'tenancy.conversations', '{SELECT, DELETE}');

-- Which plan each organisation is on: how long its data is kept follows from it.
CREATE FUNCTION tenancy.plans_of(past text, most integer) RETURNS TABLE (org_id text, plan text)
    LANGUAGE sql STABLE
AS $$
SELECT o.org_id, o.plan FROM tenancy.organisations AS o WHERE o.org_id > past COLLATE "C" ORDER BY o.org_id LIMIT most
$$;
COMMENT ON FUNCTION tenancy.plans_of(text, integer) IS 'Organisations with their plan, in order';
REVOKE ALL ON FUNCTION tenancy.plans_of(text, integer) FROM PUBLIC, hauberk_tenancy;
GRANT EXECUTE ON FUNCTION tenancy.plans_of(text, integer) TO hauberk_tenancy_retention;
SELECT hauberk.exempt('tenancy.plans_of(text, integer)', 'tenancy.organisations', '{SELECT}');
