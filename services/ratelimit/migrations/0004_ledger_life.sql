-- The ledger forgets what no rebuild and no repetition can ask for, and knows when a counter was set to zero. Runs as
-- hauberk_owner.

-- What was charged in each window, of entries that are folded: the sums stay when the requests are forgotten.
CREATE TABLE ratelimit.used (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    subject  text COLLATE "C" NOT NULL,
    field    text COLLATE "C" NOT NULL,
    begins_s bigint NOT NULL,
    ends_s   bigint NOT NULL,
    amount   bigint NOT NULL,
    PRIMARY KEY (org_id, subject, field, begins_s)
);
CREATE INDEX used_end ON ratelimit.used (org_id, ends_s);

-- When a counter was last set to zero in a window: what was settled by then is not put back, and of a counter of
-- requests, which no settlement changes, what was opened by then neither.
CREATE TABLE ratelimit.resets (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    subject  text COLLATE "C" NOT NULL,
    field    text COLLATE "C" NOT NULL,
    begins_s bigint NOT NULL,
    at_us    bigint NOT NULL,
    open_us  bigint NOT NULL,
    PRIMARY KEY (org_id, subject, field, begins_s)
);

SELECT hauberk.protect('ratelimit.used');
SELECT hauberk.protect('ratelimit.resets');
REVOKE ALL ON ratelimit.used, ratelimit.resets FROM hauberk_ratelimit;
GRANT SELECT ON ratelimit.used, ratelimit.resets TO hauberk_ratelimit;

ALTER TABLE ratelimit.ledger DROP CONSTRAINT ledger_kind_check;
ALTER TABLE ratelimit.ledger ADD CONSTRAINT ledger_kind_check
    CHECK (kind IN ('taken', 'committed', 'released', 'expired', 'late', 'reset', 'cleared'));

-- As before, and: `reset` and `cleared` take back what was settled until then, `cleared` what was open, too. Their charges
-- say by how much.
DROP FUNCTION ratelimit.append(text, jsonb, bytea[]);
CREATE FUNCTION ratelimit.append(org text, entries jsonb, packed bytea[]) RETURNS integer
    LANGUAGE plpgsql
AS $$
DECLARE
    entry  jsonb;
    place  integer := 0;
    stored integer := 0;
    id     text;
    opened bigint;
    at     bigint;
BEGIN
    -- Writers of one organisation take turns: "is it settled already" stays true until the commit.
    PERFORM pg_advisory_xact_lock(hashtextextended('ratelimit.ledger:' || org, 0));
    FOR entry IN SELECT value FROM jsonb_array_elements(entries) LOOP
        place := place + 1;
        id := entry ->> 'id';
        opened := (entry ->> 'opened')::bigint;
        at := (entry ->> 'at')::bigint;
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
                (org, id, opened, entry ->> 'kind', at, entry ->> 'workload',
                 (entry ->> 'tokens')::bigint, (entry ->> 'micro_usd')::bigint, entry -> 'charges')
            ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
            IF entry ->> 'kind' IN ('reset', 'cleared') THEN
                INSERT INTO ratelimit.resets AS r (org_id, subject, field, begins_s, at_us, open_us)
                SELECT org, c ->> 0, c ->> 1, (c ->> 2)::bigint, at,
                       CASE WHEN entry ->> 'kind' = 'cleared' THEN at ELSE 0 END
                  FROM jsonb_array_elements(entry -> 'charges') AS c
                ON CONFLICT (org_id, subject, field, begins_s) DO UPDATE
                    SET at_us = greatest(r.at_us, excluded.at_us), open_us = greatest(r.open_us, excluded.open_us);
                -- What was written down before this entry, though it happened after it, still counts.
                UPDATE ratelimit.spent AS s SET amount = coalesce((
                    SELECT sum((d ->> 4)::bigint)
                      FROM ratelimit.ledger AS l, jsonb_array_elements(l.charges) AS d
                     WHERE l.org_id = org AND l.at_us > r.at_us AND l.opened_us > r.open_us
                       AND l.kind NOT IN ('reset', 'cleared')
                       AND d ->> 0 = s.subject AND d ->> 1 = s.field AND (d ->> 2)::bigint = s.begins_s), 0)
                  FROM jsonb_array_elements(entry -> 'charges') AS c, ratelimit.resets AS r
                 WHERE s.org_id = org AND s.subject = c ->> 0 AND s.field = c ->> 1
                   AND s.begins_s = (c ->> 2)::bigint
                   AND r.org_id = org AND r.subject = s.subject AND r.field = s.field AND r.begins_s = s.begins_s;
            ELSE
                INSERT INTO ratelimit.spent AS s (org_id, subject, field, begins_s, ends_s, amount)
                SELECT org, c ->> 0, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::bigint, (c ->> 4)::bigint
                  FROM jsonb_array_elements(entry -> 'charges') AS c
                 WHERE NOT EXISTS (
                    SELECT FROM ratelimit.resets AS r
                     WHERE r.org_id = org AND r.subject = c ->> 0 AND r.field = c ->> 1
                       AND r.begins_s = (c ->> 2)::bigint
                       -- What had expired before the reset was forgiven whole: nothing of it is given back once more.
                       AND (r.at_us >= at OR r.open_us >= opened OR (entry ->> 'kind' = 'late' AND (c ->> 4)::bigint < 0
                                              AND r.at_us >= (entry ->> 'expires')::bigint)))
                ON CONFLICT (org_id, subject, field, begins_s) DO UPDATE SET amount = s.amount + excluded.amount;
            END IF;
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

-- Folds what is older than `before_us` into sums, of the first organisation after `after` that has any, at most `most`
-- rows; and forgets sums of windows that ended before `forget_s`. One transaction: cut short, it never was. Which
-- organisation, and how many rows; no organisation: nothing is left to do, or another one is at it.
CREATE FUNCTION ratelimit.fold(
    after text, before_us bigint, forget_s bigint, most integer, OUT org text, OUT folded integer
)
    LANGUAGE plpgsql
AS $$
DECLARE
    before_s bigint := before_us / 1000000;
    count_of integer;
    missing  integer := 0;
BEGIN
    folded := 0;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('ratelimit.fold', 0)) THEN
        RETURN;
    END IF;
    org := after;
    LOOP
        -- From one organisation to the next by index, whatever their number of rows.
        SELECT min(o) INTO org FROM (
            (SELECT l.org_id FROM ratelimit.ledger AS l WHERE l.org_id > org ORDER BY l.org_id LIMIT 1) UNION ALL
            (SELECT h.org_id FROM ratelimit.holds AS h WHERE h.org_id > org ORDER BY h.org_id LIMIT 1) UNION ALL
            (SELECT s.org_id FROM ratelimit.spent AS s WHERE s.org_id > org ORDER BY s.org_id LIMIT 1) UNION ALL
            (SELECT r.org_id FROM ratelimit.resets AS r WHERE r.org_id > org ORDER BY r.org_id LIMIT 1) UNION ALL
            (SELECT u.org_id FROM ratelimit.used AS u WHERE u.org_id > org ORDER BY u.org_id LIMIT 1)) AS next (o);
        missing := missing + 1;
        EXIT WHEN org IS NULL OR missing > 500
            OR EXISTS (SELECT FROM ratelimit.ledger AS l WHERE l.org_id = org AND l.at_us < before_us)
            OR EXISTS (SELECT FROM ratelimit.holds AS h WHERE h.org_id = org AND h.expires_us < before_us)
            OR EXISTS (SELECT FROM ratelimit.spent AS s WHERE s.org_id = org AND s.ends_s < before_s)
            OR EXISTS (SELECT FROM ratelimit.resets AS r WHERE r.org_id = org AND r.at_us < before_us)
            OR EXISTS (SELECT FROM ratelimit.used AS u WHERE u.org_id = org AND u.ends_s < forget_s);
    END LOOP;
    IF org IS NULL THEN
        RETURN;
    END IF;
    -- A reservation that its store lost, and nobody settled, was charged as it was reserved.
    WITH settled AS (
        DELETE FROM ratelimit.ledger AS l WHERE l.ctid = ANY (ARRAY(
            SELECT o.ctid FROM ratelimit.ledger AS o
             WHERE o.org_id = org AND o.at_us < before_us ORDER BY o.at_us LIMIT most))
        RETURNING l.kind, l.charges
    ), lost AS (
        DELETE FROM ratelimit.holds AS h WHERE h.ctid = ANY (ARRAY(
            SELECT o.ctid FROM ratelimit.holds AS o
             WHERE o.org_id = org AND o.expires_us < before_us ORDER BY o.expires_us LIMIT most))
        RETURNING 'lost' AS kind, h.charges
    ), gone AS (
        SELECT * FROM settled UNION ALL SELECT * FROM lost
    ), summed AS (
        INSERT INTO ratelimit.used AS u (org_id, subject, field, begins_s, ends_s, amount)
        SELECT org, c ->> 0, c ->> 1, (c ->> 2)::bigint, max((c ->> 3)::bigint), sum((c ->> 4)::bigint)
          FROM gone, jsonb_array_elements(gone.charges) AS c WHERE gone.kind NOT IN ('reset', 'cleared')
         GROUP BY c ->> 0, c ->> 1, c ->> 2
        ON CONFLICT (org_id, subject, field, begins_s) DO UPDATE SET amount = u.amount + excluded.amount
    )
    SELECT count(*) INTO folded FROM gone;
    DELETE FROM ratelimit.spent AS s WHERE s.ctid = ANY (ARRAY(
        SELECT o.ctid FROM ratelimit.spent AS o WHERE o.org_id = org AND o.ends_s < before_s LIMIT most));
    GET DIAGNOSTICS count_of = ROW_COUNT;
    folded := folded + count_of;
    DELETE FROM ratelimit.resets AS r WHERE r.ctid = ANY (ARRAY(
        SELECT o.ctid FROM ratelimit.resets AS o WHERE o.org_id = org AND o.at_us < before_us LIMIT most));
    GET DIAGNOSTICS count_of = ROW_COUNT;
    folded := folded + count_of;
    DELETE FROM ratelimit.used AS u WHERE u.ctid = ANY (ARRAY(
        SELECT o.ctid FROM ratelimit.used AS o WHERE o.org_id = org AND o.ends_s < forget_s LIMIT most));
    GET DIAGNOSTICS count_of = ROW_COUNT;
    folded := folded + count_of;
END
$$;

-- Handing a function over can be done once only, so the tables' parts are said here.
GRANT SELECT, INSERT, UPDATE, DELETE ON ratelimit.used, ratelimit.resets TO hauberk_lookup;
CREATE POLICY lookup_select ON ratelimit.used AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
CREATE POLICY lookup_insert ON ratelimit.used AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_update ON ratelimit.used AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
CREATE POLICY lookup_delete ON ratelimit.used AS PERMISSIVE FOR DELETE TO hauberk_lookup USING (true);
CREATE POLICY lookup_select ON ratelimit.resets AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
CREATE POLICY lookup_insert ON ratelimit.resets AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_update ON ratelimit.resets AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
CREATE POLICY lookup_delete ON ratelimit.resets AS PERMISSIVE FOR DELETE TO hauberk_lookup USING (true);
SELECT hauberk.exempt('ratelimit.append(text, jsonb, bytea[])', 'ratelimit.ledger', '{SELECT, INSERT}');
SELECT hauberk.exempt('ratelimit.fold(text, bigint, bigint, integer)', 'ratelimit.ledger', '{SELECT, DELETE}');
