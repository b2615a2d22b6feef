-- The door by which rows of this service go when their time has come; how long that is, policies/retention.yaml says.
-- Only the retention role may use it. Rows of a type that is `watched` go by the service itself: here they are counted.
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
        ('audit.inbox', 'd.at', NULL::text, NULL::text, true)
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

SELECT hauberk.exempt('audit.expire(text, text[], text[], timestamptz, integer, text[], text[], boolean)',
                      'audit.inbox', '{SELECT}');

-- A month of the trail goes when it lies in an archive that was verified; what is left of a chain then begins at its cut, a
-- signed place. What was cut off is remembered for ever: positions and hashes, nothing of a person.
CREATE TABLE audit.archives (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    month    text COLLATE "C" NOT NULL CHECK (month ~ '^[0-9]{6}$'),
    first    bigint NOT NULL CHECK (first > 0),
    last     bigint NOT NULL CHECK (last >= first),
    tip      bytea NOT NULL CHECK (octet_length(tip) = 32),
    digest   bytea NOT NULL CHECK (octet_length(digest) = 32),
    made_at  timestamptz NOT NULL,
    PRIMARY KEY (org_id, month)
);
COMMENT ON TABLE audit.archives IS 'Files that hold a month of a chain, by their SHA-256';
CREATE TABLE audit.cuts (
    org_id    text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    sequence  bigint NOT NULL CHECK (sequence > 0),
    statement bytea NOT NULL CHECK (octet_length(statement) <= 2048),
    kid       text COLLATE "C" NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) <= 256),
    PRIMARY KEY (org_id, sequence)
);
COMMENT ON TABLE audit.cuts IS 'Signed places up to which a chain may be gone because it lies in archives';
CREATE TABLE audit.legal_holds (
    org_id      text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    hold_id     text COLLATE "C" NOT NULL CHECK (hold_id ~ '^hold_[0-9a-f]{16}$'),
    subject     text COLLATE "C" NOT NULL DEFAULT '' CHECK (subject ~ '^([A-Za-z0-9][A-Za-z0-9._:-]{0,127})?$'),
    reason      text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 200),
    placed_by   text COLLATE "C" NOT NULL CHECK (char_length(placed_by) BETWEEN 1 AND 128),
    placed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    released_by text COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length(released_by) <= 128),
    released_at timestamptz,
    PRIMARY KEY (org_id, hold_id)
);
COMMENT ON TABLE audit.legal_holds IS 'What must not go, whatever the policy says; subject empty = the whole organisation';
CREATE TABLE audit.retention_runs (
    run_id      text COLLATE "C" PRIMARY KEY CHECK (run_id ~ '^run_[0-9a-f]{16}$'),
    policy      text COLLATE "C" NOT NULL CHECK (policy ~ '^[0-9a-f]{16}$'),
    at          timestamptz NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz,
    gone        jsonb NOT NULL DEFAULT '{}',
    problems    jsonb NOT NULL DEFAULT '[]'
);
COMMENT ON TABLE audit.retention_runs IS 'Each run: as of when, by which policy, what of each type it deleted';
CREATE INDEX retention_runs_order ON audit.retention_runs (started_at);

SELECT hauberk.protect(t::regclass) FROM unnest(ARRAY['audit.archives', 'audit.cuts', 'audit.legal_holds']) AS t;
REVOKE ALL ON audit.archives, audit.cuts, audit.legal_holds, audit.retention_runs FROM hauberk_audit;
GRANT SELECT ON audit.archives, audit.cuts TO hauberk_audit;
GRANT SELECT, INSERT, UPDATE ON audit.retention_runs TO hauberk_audit_retention;
GRANT SELECT ON audit.retention_runs TO hauberk_audit_sealer;

CREATE FUNCTION audit.months() RETURNS SETOF text
    LANGUAGE sql STABLE
AS $$
SELECT substr(c.relname, 8) FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'audit.events'::regclass AND c.relname ~ '^events_[0-9]{6}$' ORDER BY c.relname
$$;
CREATE FUNCTION audit.month_begin(month text, later integer) RETURNS timestamptz
    LANGUAGE sql STABLE
AS $$ SELECT ((substr(month, 1, 4) || '-' || substr(month, 5, 2) || '-01')::timestamp + make_interval(months => later)) AT TIME ZONE 'UTC' $$;
-- The chains of a month: what lies there of each, whether it is held, and where its last cut is.
CREATE FUNCTION audit.month_chains(month text)
    RETURNS TABLE (org_id text, first bigint, last bigint, held boolean, cut bigint)
    LANGUAGE sql STABLE
AS $$
SELECT m.org_id, m.first, m.last,
       EXISTS (SELECT FROM audit.legal_holds AS h WHERE h.org_id = m.org_id AND h.released_at IS NULL),
       coalesce((SELECT max(c.sequence) FROM audit.cuts AS c WHERE c.org_id = m.org_id), 0)
  FROM (SELECT e.org_id, min(e.sequence) AS first, max(e.sequence) AS last FROM audit.events AS e
         WHERE e.sealed_at >= audit.month_begin(month, 0) AND e.sealed_at < audit.month_begin(month, 1)
         GROUP BY e.org_id) AS m ORDER BY m.org_id
$$;
CREATE FUNCTION audit.archives_of(wanted text) RETURNS SETOF audit.archives LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.archives AS a WHERE a.month = wanted ORDER BY a.org_id $$;
CREATE FUNCTION audit.put_archive(org text, its_month text, begins bigint, ends bigint, its_tip bytea, its_digest bytea, at timestamptz)
    RETURNS void LANGUAGE sql
AS $$
INSERT INTO audit.archives (org_id, month, first, last, tip, digest, made_at) VALUES (org, its_month, begins, ends, its_tip, its_digest, at)
ON CONFLICT (org_id, month) DO UPDATE SET first = excluded.first, last = excluded.last, tip = excluded.tip,
    digest = excluded.digest, made_at = excluded.made_at
$$;
CREATE FUNCTION audit.put_cut(org text, place bigint, words bytea, version text, signed bytea) RETURNS void LANGUAGE sql
AS $$
INSERT INTO audit.cuts (org_id, sequence, statement, kid, signature) VALUES (org, place, words, version, signed)
ON CONFLICT (org_id, sequence) DO NOTHING
$$;
CREATE FUNCTION audit.last_cut(org text) RETURNS SETOF audit.cuts LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.cuts AS c WHERE c.org_id = org ORDER BY c.sequence DESC LIMIT 1 $$;
-- Takes away a stretch of a chain that lies before its cut, unless it is held: the ids by which a late copy would be known
-- and, when the month cannot go as a whole, the events.
CREATE FUNCTION audit.forget_stretch(org text, after bigint, until bigint, events_too boolean) RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    gone bigint;
BEGIN
    IF until > coalesce((SELECT max(c.sequence) FROM audit.cuts AS c WHERE c.org_id = org), 0)
       OR EXISTS (SELECT FROM audit.legal_holds AS h WHERE h.org_id = org AND h.released_at IS NULL) THEN
        RAISE EXCEPTION 'not archived, or held';
    END IF;
    DELETE FROM audit.known AS k USING audit.events AS e
     WHERE e.org_id = org AND e.sequence > after AND e.sequence <= until AND k.org_id = org AND k.event_id = e.event_id;
    GET DIAGNOSTICS gone = ROW_COUNT;
    IF events_too THEN
        DELETE FROM audit.events AS e WHERE e.org_id = org AND e.sequence > after AND e.sequence <= until;
        GET DIAGNOSTICS gone = ROW_COUNT;
    END IF;
    RETURN gone;
END
$$;
CREATE FUNCTION audit.standing_holds() RETURNS SETOF audit.legal_holds LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.legal_holds AS h WHERE h.released_at IS NULL ORDER BY h.org_id, h.hold_id $$;
CREATE FUNCTION audit.place_hold(org text, id text, who text, why text, operator text) RETURNS void LANGUAGE sql
AS $$ INSERT INTO audit.legal_holds (org_id, hold_id, subject, reason, placed_by) VALUES (org, id, who, why, operator) $$;
CREATE FUNCTION audit.release_hold(id text, operator text) RETURNS text LANGUAGE sql
AS $$
UPDATE audit.legal_holds AS h SET released_by = operator, released_at = clock_timestamp()
 WHERE h.hold_id = id AND h.released_at IS NULL RETURNING h.org_id
$$;

-- A month that is wholly archived and held by nobody goes as a whole. The owner drops it; what lies in it the owner cannot
-- see, so it asks.
CREATE FUNCTION audit.drop_month(month text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF month !~ '^[0-9]{6}$' OR audit.month_begin(month, 2) > clock_timestamp() THEN
        RAISE EXCEPTION 'no month that is over';
    END IF;
    EXECUTE format('LOCK TABLE audit.%I IN ACCESS EXCLUSIVE MODE', 'events_' || month);
    IF EXISTS (SELECT FROM audit.month_chains(month) AS m WHERE m.held OR m.last > m.cut) THEN
        RAISE EXCEPTION 'not archived, or held';
    END IF;
    EXECUTE format('DROP TABLE audit.%I', 'events_' || month);
END
$$;
REVOKE ALL ON FUNCTION audit.drop_month(text) FROM PUBLIC, hauberk_audit;
GRANT EXECUTE ON FUNCTION audit.drop_month(text) TO hauberk_audit_retention;

DO $$
DECLARE
    door regprocedure;
BEGIN
    GRANT DELETE ON audit.events, audit.known TO hauberk_lookup;  -- by forget_stretch alone
    GRANT SELECT, INSERT, UPDATE ON audit.archives, audit.cuts, audit.legal_holds TO hauberk_lookup;
    CREATE POLICY lookup_select ON audit.archives AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
    CREATE POLICY lookup_insert ON audit.archives AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
    CREATE POLICY lookup_update ON audit.archives AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
    CREATE POLICY lookup_select ON audit.cuts AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
    CREATE POLICY lookup_insert ON audit.cuts AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
    CREATE POLICY lookup_select ON audit.legal_holds AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (true);
    CREATE POLICY lookup_insert ON audit.legal_holds AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
    CREATE POLICY lookup_update ON audit.legal_holds AS PERMISSIVE FOR UPDATE TO hauberk_lookup USING (true) WITH CHECK (true);
    REVOKE UPDATE ON audit.cuts FROM hauberk_lookup;
    GRANT USAGE ON TYPE audit.archives, audit.cuts, audit.legal_holds TO hauberk_lookup;
    FOR door IN SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace
                 AND p.proname IN ('months', 'month_begin', 'month_chains', 'archives_of', 'put_archive', 'put_cut', 'last_cut',
                                   'forget_stretch', 'standing_holds', 'place_hold', 'release_hold') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, hauberk_audit', door);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hauberk_audit_retention, hauberk_owner', door);
        PERFORM hauberk.exempt(door, 'audit.heads', '{SELECT}');
    END LOOP;
END
$$;
-- Of the doors that were there already, those that reading chains and putting an event on record needs.
SET LOCAL ROLE hauberk_lookup;
GRANT EXECUTE ON FUNCTION audit.last_cut(text) TO hauberk_audit_sealer;
GRANT EXECUTE ON FUNCTION audit.chain(text, bigint, bigint, integer), audit.tip(text), audit.last_checkpoint(text),
    audit.checkpoints_of(text, bigint, integer), audit.checkpoint_before(text, bigint),
    audit.take_in(text, text[], bytea[]) TO hauberk_audit_retention;
SET LOCAL ROLE hauberk_owner;
