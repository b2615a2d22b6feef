-- The audit trail: one hash chain per organisation, and one of the platform under the empty name, which no proof of a
-- tenant can ever read. Runs as hauberk_owner.

CREATE TABLE audit.events (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    sequence  bigint NOT NULL CHECK (sequence > 0),
    event_id  text COLLATE "C" NOT NULL CHECK (char_length(event_id) BETWEEN 1 AND 128),
    at        timestamptz NOT NULL,
    code      text COLLATE "C" NOT NULL,
    class     text COLLATE "C" NOT NULL CHECK (class IN ('critical', 'decision', 'debug')),
    outcome   text COLLATE "C" NOT NULL,
    actor     text COLLATE "C" NOT NULL,
    -- The bytes that were hashed, kept as they were: a value read back and written anew might differ.
    canonical bytea NOT NULL CHECK (octet_length(canonical) <= 32768),
    prev      bytea NOT NULL CHECK (octet_length(prev) = 32),
    hash      bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (org_id, sequence),
    UNIQUE (org_id, event_id)
);
CREATE INDEX events_at ON audit.events (org_id, at, sequence);

CREATE TABLE audit.heads (
    org_id   text COLLATE "C" PRIMARY KEY CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    sequence bigint NOT NULL DEFAULT 0,
    hash     bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32)
);

SELECT hauberk.protect('audit.events');
SELECT hauberk.protect('audit.heads');

-- Reading is all that the service may do by itself; what was written is nobody's to change.
REVOKE ALL ON audit.events, audit.heads FROM hauberk_audit;
GRANT SELECT ON audit.events, audit.heads TO hauberk_audit;

-- The one door. What can be asked for later is taken out of the hashed bytes here, so that both say the same. The lock
-- on the head makes writers of one organisation take turns: the chain cannot fork.
CREATE FUNCTION audit.append(org text, bodies bytea[]) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    last   bigint;
    tip    bytea;
    body   bytea;
    doc    jsonb;
    stored integer := 0;
BEGIN
    INSERT INTO audit.heads (org_id) VALUES (org) ON CONFLICT (org_id) DO NOTHING;
    SELECT h.sequence, h.hash INTO STRICT last, tip FROM audit.heads AS h WHERE h.org_id = org FOR UPDATE;
    FOREACH body IN ARRAY bodies LOOP
        doc := convert_from(body, 'UTF8')::jsonb;
        IF doc ->> 'organisation' IS DISTINCT FROM org THEN
            RAISE EXCEPTION 'an event of another organisation';
        END IF;
        INSERT INTO audit.events
            (org_id, sequence, event_id, at, code, class, outcome, actor, canonical, prev, hash)
        VALUES
            (org, last + 1, doc ->> 'event_id', (doc ->> 'at')::timestamptz, doc ->> 'code', doc ->> 'class',
             doc ->> 'outcome', doc ->> 'actor', body, tip, sha256(tip || body))
        ON CONFLICT (org_id, event_id) DO NOTHING;
        IF FOUND THEN  -- else it is known: delivery is at least once
            last := last + 1;
            tip := sha256(tip || body);
            stored := stored + 1;
        END IF;
    END LOOP;
    IF stored > 0 THEN
        UPDATE audit.heads AS h SET sequence = last, hash = tip WHERE h.org_id = org;
    END IF;
    RETURN stored;
END
$$;

-- Handing the function over can be done once only, so the second table's part is said here.
GRANT SELECT, INSERT, UPDATE ON audit.heads TO hauberk_lookup;
CREATE POLICY lookup_select ON audit.heads AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
CREATE POLICY lookup_insert ON audit.heads AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_update ON audit.heads AS PERMISSIVE FOR UPDATE TO hauberk_lookup
    USING (true) WITH CHECK (true);
SELECT hauberk.exempt('audit.append(text, bytea[])', 'audit.events', '{SELECT, INSERT}');
