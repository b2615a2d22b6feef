-- The door by which rows of this service go when their time has come; how long that is, policies/retention.yaml says.
-- Only the retention role may use it. Rows of a type that is `watched` go by the service itself: here they are counted.
CREATE FUNCTION guardrail.expire(
    kind text, orgs text[], classes text[], before timestamptz, most integer, held_orgs text[], held_subjects text[],
    doing boolean
) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    rule record;
BEGIN
    SELECT * INTO rule FROM (VALUES
        ('guardrail.calls', 'd.called_at', 'd.user_id'::text, NULL::text, false),
        ('guardrail.approvals', 'd.expires_at', 'd.user_id', NULL, false)
    ) AS r (name, age, subject, class, watched) WHERE r.name = kind;
    IF NOT FOUND OR (doing AND rule.watched) THEN
        RAISE EXCEPTION 'nothing of this type is deleted here';
    END IF;
    RETURN hauberk.expire_rows(kind::regclass, rule.age, rule.subject, rule.class, orgs, classes, before, most, held_orgs,
                               held_subjects, doing);
END
$$;
COMMENT ON FUNCTION guardrail.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    IS 'Deletes, or counts, rows of one type that are past their time';
REVOKE ALL ON FUNCTION guardrail.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    FROM PUBLIC, hauberk_guardrail;
GRANT EXECUTE ON FUNCTION guardrail.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    TO hauberk_guardrail_retention;
SELECT hauberk.reach('guardrail.approvals', '{SELECT, DELETE}');
SELECT hauberk.exempt('guardrail.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'guardrail.calls', '{SELECT, DELETE}');
