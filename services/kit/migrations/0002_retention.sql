-- Rows that are past their time go by one statement, in batches, whatever table it is. Runs as hauberk_owner.

-- What `exempt` does for a door's first table, for each further one.
CREATE FUNCTION hauberk.reach(target regclass, actions text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    action   text;
    existing text[] := (SELECT coalesce(array_agg(polname::text), '{}') FROM pg_policy WHERE polrelid = target);
BEGIN
    FOREACH action IN ARRAY actions LOOP
        IF action NOT IN ('SELECT', 'DELETE') THEN
            RAISE EXCEPTION 'no such action: %', action;
        END IF;
        EXECUTE format('GRANT %s ON %s TO hauberk_lookup', action, target);
        CONTINUE WHEN 'lookup_' || lower(action) = ANY (existing);
        EXECUTE format('CREATE POLICY %I ON %s AS PERMISSIVE FOR %s TO hauberk_lookup USING (true)',
            'lookup_' || lower(action), target, action);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION hauberk.reach(regclass, text[]) FROM PUBLIC;

-- Called by each service's own door `expire`, which says what `age`, `subject` and `class` are (expressions over the row
-- `d`); nobody else can. `orgs` NULL = all, `classes` NULL = any. Held is an organisation, or a subject of one. A row that
-- is changed meanwhile is another row by then, and stays. Counts when it is not `doing`.
CREATE FUNCTION hauberk.expire_rows(
    target regclass, age text, subject text, class text, orgs text[], classes text[], before timestamptz,
    most integer, held_orgs text[], held_subjects text[], doing boolean
) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    past  text := format(
        'SELECT d.ctid FROM %s AS d WHERE (%s) < $1 AND ($2 IS NULL OR d.org_id = ANY ($2)) AND ($3 IS NULL OR (%s) = ANY ($3))'
        ' AND NOT EXISTS (SELECT FROM unnest($4, $5) AS h (org, who) WHERE h.org = d.org_id AND (h.who = '''' OR h.who = (%s)))',
        target, age, coalesce(class, ''''''), coalesce(subject, ''''''));
    gone  bigint;
BEGIN
    IF doing THEN
        EXECUTE format('DELETE FROM %s AS t WHERE t.ctid = ANY (ARRAY(%s LIMIT $6))', target, past)
          USING before, orgs, classes, held_orgs, held_subjects, most;
        GET DIAGNOSTICS gone = ROW_COUNT;
    ELSE
        EXECUTE format('SELECT count(*) FROM (%s) AS found', past)
           INTO gone USING before, orgs, classes, held_orgs, held_subjects;
    END IF;
    RETURN gone;
END
$$;
REVOKE ALL ON FUNCTION hauberk.expire_rows(regclass, text, text, text, text[], text[], timestamptz, integer, text[], text[],
    boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hauberk.expire_rows(regclass, text, text, text, text[], text[], timestamptz, integer, text[],
    text[], boolean) TO hauberk_lookup;
