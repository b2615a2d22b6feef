-- What budgets were charged, written down from the stream of the counters. The counters are rebuilt from here when
-- their store has lost them. Runs as hauberk_owner.

-- One row for each thing that happened to a request; nobody changes one. `opened_us` tells a request from a later one of
-- the same id. Charges: [[subject, field, window, end of it, amount], ...], a late one by how much it moved.
CREATE TABLE ratelimit.ledger (
    org_id     text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    request_id text COLLATE "C" NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 160),
    opened_us  bigint NOT NULL CHECK (opened_us > 0),
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('taken', 'committed', 'released', 'expired', 'late')),
    at_us      bigint NOT NULL,
    workload   text COLLATE "C" NOT NULL,
    tokens     bigint NOT NULL,
    micro_usd  bigint NOT NULL,
    charges    jsonb NOT NULL,
    PRIMARY KEY (org_id, request_id, opened_us, kind)
);
CREATE INDEX ledger_at ON ratelimit.ledger (org_id, at_us);

-- Reservations that nobody has settled yet, as the counters' store packs them.
CREATE TABLE ratelimit.holds (
    org_id     text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    request_id text COLLATE "C" NOT NULL,
    opened_us  bigint NOT NULL,
    entry_ms   bigint NOT NULL,
    entry_n    bigint NOT NULL,
    expires_us bigint NOT NULL,
    workload   text COLLATE "C" NOT NULL,
    packed     bytea NOT NULL CHECK (octet_length(packed) BETWEEN 1 AND 65536),
    charges    jsonb NOT NULL,
    PRIMARY KEY (org_id, request_id, opened_us)
);
CREATE INDEX holds_expiry ON ratelimit.holds (org_id, expires_us);

-- What was spent in each window: the sum of the charges of the ledger.
CREATE TABLE ratelimit.spent (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    subject  text COLLATE "C" NOT NULL,
    field    text COLLATE "C" NOT NULL,
    begins_s bigint NOT NULL,
    ends_s   bigint NOT NULL,
    amount   bigint NOT NULL,
    PRIMARY KEY (org_id, subject, field, begins_s)
);
CREATE INDEX spent_end ON ratelimit.spent (org_id, ends_s);

SELECT hauberk.protect('ratelimit.ledger');
SELECT hauberk.protect('ratelimit.holds');
SELECT hauberk.protect('ratelimit.spent');

-- Reading, with an organisation's proof, is all that the service may do by itself.
REVOKE ALL ON ratelimit.ledger, ratelimit.holds, ratelimit.spent FROM hauberk_ratelimit;
GRANT SELECT ON ratelimit.ledger, ratelimit.holds, ratelimit.spent TO hauberk_ratelimit;

-- The one door, for a writer that nobody has called. It adds; what is known already is left as it is, so entries may
-- come twice and in any order. Returns how many were new.
CREATE FUNCTION ratelimit.append(org text, entries jsonb, packed bytea[]) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    entry  jsonb;
    place  integer := 0;
    stored integer := 0;
    id     text;
    opened bigint;
BEGIN
    -- Writers of one organisation take turns: "is it settled already" stays true until the commit.
    PERFORM pg_advisory_xact_lock(hashtextextended('ratelimit.ledger:' || org, 0));
    FOR entry IN SELECT value FROM jsonb_array_elements(entries) LOOP
        place := place + 1;
        id := entry ->> 'id';
        opened := (entry ->> 'opened')::bigint;
        IF entry ->> 'kind' = 'open' THEN
            CONTINUE WHEN EXISTS (SELECT FROM ratelimit.ledger AS l
                                   WHERE l.org_id = org AND l.request_id = id AND l.opened_us = opened);
            INSERT INTO ratelimit.holds AS h
                (org_id, request_id, opened_us, entry_ms, entry_n, expires_us, workload, packed, charges)
            VALUES
                (org, id, opened, (entry ->> 'ms')::bigint, (entry ->> 'n')::bigint, (entry ->> 'expires')::bigint,
                 entry ->> 'workload', packed[place], entry -> 'charges')
            ON CONFLICT (org_id, request_id, opened_us) DO UPDATE
                SET entry_ms = excluded.entry_ms, entry_n = excluded.entry_n, expires_us = excluded.expires_us,
                    packed = excluded.packed, charges = excluded.charges
                WHERE (h.entry_ms, h.entry_n) < (excluded.entry_ms, excluded.entry_n);
        ELSE
            INSERT INTO ratelimit.ledger
                (org_id, request_id, opened_us, kind, at_us, workload, tokens, micro_usd, charges)
            VALUES
                (org, id, opened, entry ->> 'kind', (entry ->> 'at')::bigint, entry ->> 'workload',
                 (entry ->> 'tokens')::bigint, (entry ->> 'micro_usd')::bigint, entry -> 'charges')
            ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
            INSERT INTO ratelimit.spent AS s (org_id, subject, field, begins_s, ends_s, amount)
            SELECT org, c ->> 0, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::bigint, (c ->> 4)::bigint
              FROM jsonb_array_elements(entry -> 'charges') AS c
            ON CONFLICT (org_id, subject, field, begins_s) DO UPDATE SET amount = s.amount + excluded.amount;
            DELETE FROM ratelimit.holds AS h
             WHERE h.org_id = org AND h.request_id = id AND h.opened_us = opened;
        END IF;
        stored := stored + 1;
    END LOOP;
    -- No rebuild ever asks for windows this long over; the ledger itself still has their charges.
    DELETE FROM ratelimit.spent AS s
     WHERE s.org_id = org AND s.ends_s < extract(epoch FROM clock_timestamp()) - 40 * 86400;
    RETURN stored;
END
$$;

-- Handing the function over can be done once only, so the other tables' parts are said here.
GRANT SELECT, INSERT, UPDATE, DELETE ON ratelimit.holds, ratelimit.spent TO hauberk_lookup;
CREATE POLICY lookup_select ON ratelimit.holds AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
CREATE POLICY lookup_insert ON ratelimit.holds AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_update ON ratelimit.holds AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
CREATE POLICY lookup_delete ON ratelimit.holds AS PERMISSIVE FOR DELETE TO hauberk_lookup USING (true);
CREATE POLICY lookup_select ON ratelimit.spent AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
CREATE POLICY lookup_insert ON ratelimit.spent AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_update ON ratelimit.spent AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
CREATE POLICY lookup_delete ON ratelimit.spent AS PERMISSIVE FOR DELETE TO hauberk_lookup USING (true);
SELECT hauberk.exempt('ratelimit.append(text, jsonb, bytea[])', 'ratelimit.ledger', '{SELECT, INSERT}');
