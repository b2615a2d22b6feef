-- Events come into an inbox, durable before anybody is answered; a sealer puts them into the chains in batches. Personal
-- fields are sealed under a key for each subject. Chains are kept by the month in which they were sealed, so that what is
-- dropped some day is the beginning of each chain. Runs as hauberk_owner.

DROP FUNCTION audit.append(text, bytea[]);

-- Every event there ever was, by its id: delivery is at least once.
CREATE TABLE audit.known (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    event_id text COLLATE "C" NOT NULL CHECK (char_length(event_id) BETWEEN 1 AND 128),
    PRIMARY KEY (org_id, event_id)
);

CREATE TABLE audit.inbox (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    arrival   bigint GENERATED ALWAYS AS IDENTITY,
    event_id  text COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL,
    code      text COLLATE "C" NOT NULL,
    class     text COLLATE "C" NOT NULL CHECK (class IN ('critical', 'decision', 'debug')),
    outcome   text COLLATE "C" NOT NULL,
    actor     text COLLATE "C" NOT NULL,
    trace_id  text COLLATE "C" NOT NULL,
    canonical bytea NOT NULL CHECK (octet_length(canonical) <= 32768),
    PRIMARY KEY (org_id, arrival)
);

-- `position` is the order in which all chains were sealed: a reader of all of them goes on from the last one it saw.
CREATE SEQUENCE audit.positions;
ALTER TABLE audit.events RENAME TO events_before;
CREATE TABLE audit.events (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    sequence  bigint NOT NULL CHECK (sequence > 0),
    event_id  text COLLATE "C" NOT NULL,
    at        timestamptz NOT NULL,
    code      text COLLATE "C" NOT NULL,
    class     text COLLATE "C" NOT NULL,
    outcome   text COLLATE "C" NOT NULL,
    actor     text COLLATE "C" NOT NULL,
    trace_id  text COLLATE "C" NOT NULL,
    canonical bytea NOT NULL CHECK (octet_length(canonical) <= 32768),
    prev      bytea NOT NULL CHECK (octet_length(prev) = 32),
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    position  bigint NOT NULL,
    sealed_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, sequence, sealed_at)
) PARTITION BY RANGE (sealed_at);
CREATE INDEX events_by_time ON audit.events (org_id, at, sequence);
CREATE INDEX events_by_actor ON audit.events (org_id, actor, at, sequence);
CREATE INDEX events_by_trace ON audit.events (org_id, trace_id) WHERE trace_id <> '';
CREATE INDEX events_by_position ON audit.events (position);

-- This month and those to come. The owner's part, so that nobody else can make tables.
CREATE FUNCTION audit.ensure_partitions(ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    month timestamp;
    name  text;
    made  integer := 0;
BEGIN
    FOR n IN 0 .. least(ahead, 24) LOOP
        month := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') + make_interval(months => n);
        name := 'events_' || to_char(month, 'YYYYMM');
        CONTINUE WHEN to_regclass('audit.' || name) IS NOT NULL;
        EXECUTE format('CREATE TABLE audit.%I PARTITION OF audit.events FOR VALUES FROM (%L) TO (%L)', name,
                       month::text || '+00', (month + interval '1 month')::text || '+00');
        -- Reached through the parent only.
        EXECUTE format('REVOKE ALL ON audit.%I FROM hauberk_audit', name);
        PERFORM hauberk.protect(format('audit.%I', name)::regclass);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
SELECT audit.ensure_partitions(2);

INSERT INTO audit.events
SELECT e.org_id, e.sequence, e.event_id, e.at, e.code, e.class, e.outcome, e.actor,
       coalesce(convert_from(e.canonical, 'UTF8')::jsonb ->> 'trace_id', ''), e.canonical, e.prev, e.hash,
       nextval('audit.positions'), now()
  FROM (SELECT * FROM audit.events_before ORDER BY org_id, sequence) AS e;
INSERT INTO audit.known SELECT org_id, event_id FROM audit.events_before;
DROP TABLE audit.events_before;

-- What was signed: the end of a chain at a moment. `statement` is the text that was signed, as it was.
CREATE TABLE audit.checkpoints (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    sequence  bigint NOT NULL CHECK (sequence > 0),
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    at        timestamptz NOT NULL,
    statement bytea NOT NULL CHECK (octet_length(statement) <= 2048),
    kid       text COLLATE "C" NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) <= 256),
    PRIMARY KEY (org_id, sequence)
);

-- How far each anchor outside of this database has got.
CREATE TABLE audit.anchored (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    anchor   text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (org_id, anchor)
);

-- Keys of personal fields. `key_id` stands in the events instead of the subject; `tag` finds it from the subject's name.
-- Erased: both the wrapped key and the tag are gone, and nothing leads from one to the other any more.
CREATE TABLE audit.subject_keys (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    key_id    text COLLATE "C" NOT NULL CHECK (key_id ~ '^sk_[0-9A-Za-z_-]{22}$'),
    tag       bytea CHECK (octet_length(tag) = 32),
    kid       text COLLATE "C" NOT NULL,
    wrapped   bytea CHECK (octet_length(wrapped) <= 256),
    made_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    erased_at timestamptz,
    PRIMARY KEY (org_id, key_id),
    UNIQUE (org_id, tag),
    CHECK ((erased_at IS NULL) = (wrapped IS NOT NULL) AND (wrapped IS NULL) = (tag IS NULL))
);

SELECT hauberk.protect(t::regclass) FROM unnest(ARRAY['audit.events', 'audit.known', 'audit.inbox', 'audit.checkpoints',
                                                      'audit.anchored', 'audit.subject_keys']) AS t;
REVOKE ALL ON audit.events, audit.known, audit.inbox, audit.checkpoints, audit.anchored, audit.subject_keys
    FROM hauberk_audit;
REVOKE ALL ON SEQUENCE audit.positions FROM hauberk_audit;
GRANT SELECT ON audit.events, audit.checkpoints, audit.subject_keys TO hauberk_audit;
-- Erasing is the one change that anybody may make, of its caller's organisation: it can only take away.
GRANT UPDATE (tag, wrapped, erased_at) ON audit.subject_keys TO hauberk_audit;

-- What comes in. What can be asked for later is taken out of the bytes here, so that both say the same. Ids are taken in
-- one order, so that two writers of the same events wait for one another and never both.
CREATE FUNCTION audit.take_in(org text, keys text[], bodies bytea[]) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    stored integer;
BEGIN
    IF EXISTS (SELECT FROM unnest(keys) AS k (id) WHERE NOT EXISTS
                  (SELECT FROM audit.subject_keys AS s
                    WHERE s.org_id = org AND s.key_id = k.id AND s.wrapped IS NOT NULL)) THEN
        RAISE EXCEPTION 'a subject was erased meanwhile' USING ERRCODE = 'HK410';
    END IF;
    IF EXISTS (SELECT FROM unnest(bodies) AS b (body)
                WHERE convert_from(b.body, 'UTF8')::jsonb ->> 'organisation' IS DISTINCT FROM org) THEN
        RAISE EXCEPTION 'an event of another organisation';
    END IF;
    WITH incoming AS (
        SELECT DISTINCT ON (doc ->> 'event_id') n, body, doc
          FROM (SELECT u.n, u.body, convert_from(u.body, 'UTF8')::jsonb AS doc
                  FROM unnest(bodies) WITH ORDINALITY AS u (body, n)) AS parsed
         ORDER BY doc ->> 'event_id', n
    ), fresh AS (
        INSERT INTO audit.known (org_id, event_id)
        SELECT org, doc ->> 'event_id' FROM incoming ORDER BY 2
        ON CONFLICT DO NOTHING RETURNING event_id
    )
    INSERT INTO audit.inbox (org_id, event_id, at, code, class, outcome, actor, trace_id, canonical)
    SELECT org, doc ->> 'event_id', (doc ->> 'at')::timestamptz, doc ->> 'code', doc ->> 'class', doc ->> 'outcome',
           doc ->> 'actor', doc ->> 'trace_id', body
      FROM incoming WHERE doc ->> 'event_id' IN (SELECT event_id FROM fresh) ORDER BY n;
    GET DIAGNOSTICS stored = ROW_COUNT;
    RETURN stored;
END
$$;

-- The keys of subjects: those that are there, else these. `places` says which subject each tag is of, its newest first.
CREATE FUNCTION audit.subject_keys_for(org text, places integer[], tags bytea[], ids text[], version text,
                                       wrapped_keys bytea[])
    RETURNS TABLE (place integer, key_id text, kid text, wrapped bytea)
    LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO audit.subject_keys (org_id, key_id, tag, kid, wrapped)
    SELECT org, ids[first.place], first.tag, version, wrapped_keys[first.place]
      FROM (SELECT DISTINCT ON (u.place) u.place, u.tag FROM unnest(places, tags) WITH ORDINALITY AS u (place, tag, n)
             ORDER BY u.place, u.n) AS first
     WHERE NOT EXISTS (SELECT FROM unnest(places, tags) AS a (place, tag) JOIN audit.subject_keys AS s
                           ON s.org_id = org AND s.tag = a.tag WHERE a.place = first.place)
     ORDER BY first.tag
    ON CONFLICT (org_id, tag) DO NOTHING;
    RETURN QUERY SELECT DISTINCT ON (u.place) u.place, s.key_id, s.kid, s.wrapped
                   FROM unnest(places, tags) WITH ORDINALITY AS u (place, tag, n)
                   JOIN audit.subject_keys AS s ON s.org_id = org AND s.tag = u.tag ORDER BY u.place, u.n;
END
$$;

-- Which chains have something to be sealed.
CREATE FUNCTION audit.waiting(most integer) RETURNS SETOF text LANGUAGE sql STABLE
AS $$ SELECT DISTINCT i.org_id FROM audit.inbox AS i LIMIT most $$;

-- Puts up to `most` events of the inbox at the end of their chain. One sealer at a time over all chains: positions become
-- visible in their order, and no chain can fork.
CREATE FUNCTION audit.seal(org text, most integer) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    last     bigint;
    tip      bytea;
    entry    record;
    arrivals bigint[] := '{}';
    links    bytea[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit.seal', 0));
    INSERT INTO audit.heads (org_id) VALUES (org) ON CONFLICT (org_id) DO NOTHING;
    SELECT h.sequence, h.hash INTO STRICT last, tip FROM audit.heads AS h WHERE h.org_id = org FOR UPDATE;
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
           links[u.n], links[u.n + 1], nextval('audit.positions'), transaction_timestamp()
      FROM unnest(arrivals) WITH ORDINALITY AS u (arrival, n) JOIN sealed AS s USING (arrival) ORDER BY u.n;
    UPDATE audit.heads AS h SET sequence = last + cardinality(arrivals), hash = tip WHERE h.org_id = org;
    PERFORM pg_notify('hauberk_audit', org || ' ' || (last + cardinality(arrivals))::text);
    RETURN cardinality(arrivals);
END
$$;

-- Any chain, for whoever seals, signs and watches: its events by position, or those of all chains in the order of sealing.
CREATE FUNCTION audit.chain(org text, after bigint, until bigint, most integer) RETURNS SETOF audit.events
    LANGUAGE sql STABLE
AS $$
SELECT * FROM audit.events AS e WHERE e.org_id = org AND e.sequence > after AND e.sequence <= until
 ORDER BY e.sequence LIMIT most
$$;
CREATE FUNCTION audit.sealed_after(place bigint, most integer) RETURNS SETOF audit.events LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.events AS e WHERE e.position > place ORDER BY e.position LIMIT most $$;
CREATE FUNCTION audit.platform_found(begins timestamptz, ends timestamptz, past timestamptz, past_sequence bigint,
                                     actors text[], result text, trace text, what text, most integer)
    RETURNS SETOF audit.events LANGUAGE sql STABLE
AS $$
SELECT * FROM audit.events AS e
 WHERE e.org_id = '' AND e.at >= begins AND e.at < ends AND (e.at, e.sequence) > (past, past_sequence)
   AND (cardinality(actors) = 0 OR e.actor = ANY (actors)) AND (result = '' OR e.outcome = result)
   AND (trace = '' OR e.trace_id = trace) AND (what = '' OR e.code = what)
 ORDER BY e.at, e.sequence LIMIT most
$$;
CREATE FUNCTION audit.platform_stretch(begins timestamptz, ends timestamptz) RETURNS TABLE (first bigint, final bigint)
    LANGUAGE sql STABLE
AS $$
SELECT coalesce(min(e.sequence), 0), coalesce(max(e.sequence), 0) FROM audit.events AS e
 WHERE e.org_id = '' AND e.at >= begins AND e.at < ends
$$;
CREATE FUNCTION audit.platform_keys(ids text[]) RETURNS TABLE (key_id text, kid text, wrapped bytea)
    LANGUAGE sql STABLE
AS $$
SELECT s.key_id, s.kid, s.wrapped FROM audit.subject_keys AS s
 WHERE s.org_id = '' AND s.key_id = ANY (ids) AND s.wrapped IS NOT NULL
$$;
CREATE FUNCTION audit.platform_keys_of(tags bytea[]) RETURNS SETOF text LANGUAGE sql STABLE
AS $$ SELECT s.key_id FROM audit.subject_keys AS s WHERE s.org_id = '' AND s.tag = ANY (tags) $$;
CREATE FUNCTION audit.tip(org text) RETURNS TABLE (sequence bigint, hash bytea, last bigint) LANGUAGE sql STABLE
AS $$
SELECT (SELECT h.sequence FROM audit.heads AS h WHERE h.org_id = org),
       (SELECT h.hash FROM audit.heads AS h WHERE h.org_id = org),
       (SELECT coalesce(max(e.sequence), 0) FROM audit.events AS e WHERE e.org_id = org)
$$;

-- Chains whose end is past their last checkpoint, with where that was and when.
CREATE FUNCTION audit.unsigned(most integer)
    RETURNS TABLE (org_id text, head bigint, signed bigint, signed_at timestamptz)
    LANGUAGE sql STABLE
AS $$
SELECT h.org_id, h.sequence, coalesce(c.sequence, 0), coalesce(c.at, timestamptz 'epoch')
  FROM audit.heads AS h
  LEFT JOIN LATERAL (SELECT k.sequence, k.at FROM audit.checkpoints AS k WHERE k.org_id = h.org_id
                      ORDER BY k.sequence DESC LIMIT 1) AS c ON true
 WHERE h.sequence > coalesce(c.sequence, 0) LIMIT most
$$;
CREATE FUNCTION audit.checkpoints_of(org text, after bigint, most integer) RETURNS SETOF audit.checkpoints
    LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.checkpoints AS c WHERE c.org_id = org AND c.sequence > after ORDER BY c.sequence LIMIT most $$;
CREATE FUNCTION audit.last_checkpoint(org text) RETURNS SETOF audit.checkpoints LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.checkpoints AS c WHERE c.org_id = org ORDER BY c.sequence DESC LIMIT 1 $$;
CREATE FUNCTION audit.checkpoint_before(org text, place bigint) RETURNS SETOF audit.checkpoints LANGUAGE sql STABLE
AS $$
SELECT * FROM audit.checkpoints AS c WHERE c.org_id = org AND c.sequence <= place ORDER BY c.sequence DESC LIMIT 1
$$;
CREATE FUNCTION audit.put_checkpoint(org text, place bigint, tip bytea, moment timestamptz, words bytea, version text,
                                     signed bytea) RETURNS boolean
    LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit.checkpoints (org_id, sequence, hash, at, statement, kid, signature)
    VALUES (org, place, tip, moment, words, version, signed) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
CREATE FUNCTION audit.unanchored(name text, most integer) RETURNS SETOF audit.checkpoints LANGUAGE sql STABLE
AS $$
SELECT c.* FROM audit.heads AS h
  LEFT JOIN audit.anchored AS a ON a.org_id = h.org_id AND a.anchor = name
  JOIN LATERAL (SELECT * FROM audit.checkpoints AS k WHERE k.org_id = h.org_id AND k.sequence > coalesce(a.sequence, 0)
                 ORDER BY k.sequence) AS c ON true
 LIMIT most
$$;
CREATE FUNCTION audit.mark_anchored(org text, name text, place bigint) RETURNS void LANGUAGE sql
AS $$
INSERT INTO audit.anchored AS a (org_id, anchor, sequence) VALUES (org, name, place)
ON CONFLICT (org_id, anchor) DO UPDATE SET sequence = greatest(a.sequence, excluded.sequence)
$$;

-- The sealer's doors are closed to the role that takes events in.
DO $$
DECLARE
    door regprocedure;
    t    text;
    act  text;
    own  text[] := '{take_in,subject_keys_for}';
BEGIN
    FOREACH t IN ARRAY ARRAY['known', 'inbox', 'checkpoints', 'anchored', 'subject_keys', 'events'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON audit.%I TO hauberk_lookup', t);
        FOREACH act IN ARRAY ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] LOOP
            EXECUTE format('CREATE POLICY %I ON audit.%I AS PERMISSIVE FOR %s TO hauberk_lookup %s', 'lookup_' || lower(act), t, act,
                CASE act WHEN 'INSERT' THEN 'WITH CHECK (true)' WHEN 'UPDATE' THEN 'USING (true) WITH CHECK (true)' ELSE 'USING (true)' END);
        END LOOP;
    END LOOP;
    REVOKE UPDATE, DELETE ON audit.events, audit.known, audit.checkpoints FROM hauberk_lookup;
    REVOKE UPDATE, DELETE ON audit.subject_keys FROM hauberk_lookup;
    GRANT USAGE ON SEQUENCE audit.positions TO hauberk_lookup;
    REVOKE ALL ON FUNCTION audit.ensure_partitions(integer) FROM hauberk_audit;
    GRANT EXECUTE ON FUNCTION audit.ensure_partitions(integer) TO hauberk_audit_sealer;
    FOR door IN SELECT p.oid::regprocedure FROM pg_proc AS p
                 WHERE p.pronamespace = 'audit'::regnamespace AND p.proname <> 'ensure_partitions' LOOP
        IF NOT split_part(split_part(door::text, '(', 1), '.', 2) = ANY (own)
           AND NOT split_part(door::text, '(', 1) = ANY (own) THEN
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM hauberk_audit', door);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hauberk_audit_sealer', door);
        END IF;
        PERFORM hauberk.exempt(door, 'audit.heads', '{SELECT}');
    END LOOP;
END
$$;
