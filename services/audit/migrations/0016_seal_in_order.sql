-- Sealed in order by the clock as well: read when the turn has come, not when the transaction began, and never before the
-- event before. So the oldest month is always the beginning of what is left of a chain.
DROP FUNCTION audit.seal(text, integer);
CREATE FUNCTION audit.seal(org text, most integer) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    last     bigint;
    tip      bytea;
    entry    record;
    arrivals bigint[] := '{}';
    links    bytea[];
    moment   timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.seal', 0));
    INSERT INTO audit.heads (org_id) VALUES (org) ON CONFLICT (org_id) DO NOTHING;
    SELECT h.sequence, h.hash INTO STRICT last, tip FROM audit.heads AS h WHERE h.org_id = org FOR UPDATE;
    moment := greatest(clock_timestamp(), (SELECT e.sealed_at FROM audit.events AS e WHERE e.org_id = org AND e.sequence = last));
    links := ARRAY[tip];
    FOR entry IN SELECT i.arrival, i.canonical FROM audit.inbox AS i WHERE i.org_id = org
                  ORDER BY i.arrival LIMIT most LOOP
        tip := sha256(tip || entry.canonical);
        arrivals := arrivals || entry.arrival;
        links := links || tip;
    END LOOP;
    IF cardinality(arrivals) = 0 THEN
        RETURN 0;
    END IF;
    WITH sealed AS (
        DELETE FROM audit.inbox AS i WHERE i.org_id = org AND i.arrival = ANY (arrivals) RETURNING i.*
    )
    INSERT INTO audit.events (org_id, sequence, event_id, at, code, class, outcome, actor, trace_id, canonical,
                              prev, hash, position, sealed_at)
    SELECT org, last + u.n, s.event_id, s.at, s.code, s.class, s.outcome, s.actor, s.trace_id, s.canonical,
           links[u.n], links[u.n + 1], nextval('audit.positions'), moment
      FROM unnest(arrivals) WITH ORDINALITY AS u (arrival, n) JOIN sealed AS s USING (arrival) ORDER BY u.n;
    UPDATE audit.heads AS h SET sequence = last + cardinality(arrivals), hash = tip WHERE h.org_id = org;
    PERFORM pg_notify('hauberk_audit', org || ' ' || (last + cardinality(arrivals))::text);
    RETURN cardinality(arrivals);
END
$$;
REVOKE ALL ON FUNCTION audit.seal(text, integer) FROM PUBLIC, hauberk_audit;
GRANT EXECUTE ON FUNCTION audit.seal(text, integer) TO hauberk_audit_sealer;
SELECT hauberk.exempt('audit.seal(text, integer)', 'audit.heads', '{SELECT}');
