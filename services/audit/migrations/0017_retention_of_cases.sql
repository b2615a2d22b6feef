-- Incidents with what was done about them go by age as well, once nobody has to look at them again.
DROP FUNCTION audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean);
CREATE FUNCTION audit.expire(
    kind text, orgs text[], classes text[], before timestamptz, most integer, held_orgs text[], held_subjects text[],
    doing boolean
) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    rule record;
BEGIN
    SELECT * INTO rule FROM (VALUES
        ('audit.inbox', 'd.at', NULL::text, NULL::text, true),
        ('audit.cases', 'CASE WHEN d.due_at IS NULL AND d.kind IN (''incident'', ''action'', ''notice'') THEN d.made_at END',
         NULL, NULL, false)
    ) AS r (name, age, subject, class, watched) WHERE r.name = kind;
    IF NOT FOUND OR (doing AND rule.watched) THEN
        RAISE EXCEPTION 'nothing of this type is deleted here';
    END IF;
    RETURN hauberk.expire_rows(kind::regclass, rule.age, rule.subject, rule.class, orgs, classes, before, most, held_orgs,
                               held_subjects, doing);
END
$$;
COMMENT ON FUNCTION audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    IS 'Deletes, or counts, rows of one type that are past their time';
REVOKE ALL ON FUNCTION audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    FROM PUBLIC, hauberk_audit;
GRANT EXECUTE ON FUNCTION audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)
    TO hauberk_audit_retention;
SELECT hauberk.reach('audit.cases', '{SELECT, DELETE}');
SELECT hauberk.exempt('audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'audit.inbox', '{SELECT}');
