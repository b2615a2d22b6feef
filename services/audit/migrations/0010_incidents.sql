-- Incidents, the actions of playbooks, modes of playbooks, notices: small documents with a state. Whom they are about is
-- sealed in them as in the events. Organisation '' is the platform. Runs as hauberk_owner.
CREATE TABLE audit.cases (
    org_id   text COLLATE "C" NOT NULL CHECK (org_id = '' OR org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    kind     text COLLATE "C" NOT NULL CHECK (kind IN ('incident', 'action', 'mode', 'notice', 'freeze', 'watch')),
    case_id  text COLLATE "C" NOT NULL CHECK (char_length(case_id) BETWEEN 1 AND 64),
    parent   text COLLATE "C" NOT NULL DEFAULT '' CHECK (char_length(parent) <= 64),
    state    text COLLATE "C" NOT NULL CHECK (state ~ '^[a-z0-9_]{1,32}$'),
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at   timestamptz,
    document jsonb NOT NULL CHECK (pg_column_size(document) <= 65536),
    PRIMARY KEY (org_id, kind, case_id)
);
COMMENT ON TABLE audit.cases IS 'Incidents with what was done about them; due_at: when somebody has to look at it again';
CREATE INDEX cases_latest ON audit.cases (org_id, kind, made_at, case_id);
CREATE INDEX cases_of ON audit.cases (org_id, parent, case_id) WHERE parent <> '';
CREATE INDEX cases_due ON audit.cases (kind, due_at) WHERE due_at IS NOT NULL;
INSERT INTO audit.cases (org_id, kind, case_id, state, document) VALUES ('', 'watch', 'cursor', 'free', '{}');
SELECT hauberk.protect('audit.cases');
REVOKE ALL ON audit.cases FROM hauberk_audit;
GRANT SELECT, INSERT, UPDATE (state, due_at, document) ON audit.cases TO hauberk_audit;

-- The doors of whoever watches all chains. The role that takes events in has none of them.
CREATE FUNCTION audit.case_put(org text, what text, id text, above text, word text, due timestamptz, doc jsonb)
    RETURNS boolean LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO audit.cases (org_id, kind, case_id, parent, state, due_at, document)
    VALUES (org, what, id, above, word, due, doc) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
CREATE FUNCTION audit.case_move(org text, what text, id text, was text[], word text, due timestamptz, doc jsonb)
    RETURNS boolean LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE audit.cases AS c SET state = word, due_at = due, document = doc
     WHERE c.org_id = org AND c.kind = what AND c.case_id = id AND c.state = ANY (was);
    RETURN FOUND;
END
$$;
CREATE FUNCTION audit.case_get(org text, what text, id text) RETURNS SETOF audit.cases LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.cases AS c WHERE c.org_id = org AND c.kind = what AND c.case_id = id $$;
CREATE FUNCTION audit.cases_below(org text, above text) RETURNS SETOF audit.cases LANGUAGE sql STABLE
AS $$ SELECT * FROM audit.cases AS c WHERE c.org_id = org AND c.parent = above AND above <> '' ORDER BY c.case_id LIMIT 64 $$;
CREATE FUNCTION audit.cases_before(org text, what text, word text, past timestamptz, past_id text, most integer)
    RETURNS SETOF audit.cases LANGUAGE sql STABLE
AS $$
SELECT * FROM audit.cases AS c WHERE c.org_id = org AND c.kind = what AND (word = '' OR c.state = word)
   AND (c.made_at, c.case_id) < (past, past_id) ORDER BY c.made_at DESC, c.case_id DESC LIMIT most
$$;
CREATE FUNCTION audit.cases_due(what text, words text[], moment timestamptz, most integer)
    RETURNS SETOF audit.cases LANGUAGE sql STABLE
AS $$
SELECT * FROM audit.cases AS c WHERE c.kind = what AND c.state = ANY (words) AND c.due_at <= moment
 ORDER BY c.due_at LIMIT most
$$;
CREATE FUNCTION audit.cases_recent(org text, since timestamptz) RETURNS bigint LANGUAGE sql STABLE
AS $$
SELECT count(DISTINCT c.parent) FROM audit.cases AS c WHERE c.org_id = org AND c.kind = 'action' AND c.made_at > since
   AND c.state IN ('doing', 'done') AND c.document ->> 'capped' = 'yes'
$$;
-- One process watches at a time; who goes silent loses its turn. `past` is where it goes on, `known` how far it has acted.
CREATE FUNCTION audit.watch_turn(holder text, seconds double precision) RETURNS SETOF jsonb LANGUAGE sql
AS $$
UPDATE audit.cases AS c SET state = holder, due_at = clock_timestamp() + make_interval(secs => seconds)
 WHERE c.org_id = '' AND c.kind = 'watch' AND c.case_id = 'cursor'
   AND (c.state = holder OR c.due_at IS NULL OR c.due_at < clock_timestamp())
RETURNING c.document
$$;
CREATE FUNCTION audit.watch_end() RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT coalesce(max(e.position), 0) FROM audit.events AS e $$;
CREATE FUNCTION audit.watch_keys(org text, ids text[]) RETURNS TABLE (key_id text, kid text, wrapped bytea)
    LANGUAGE sql STABLE
AS $$
SELECT s.key_id, s.kid, s.wrapped FROM audit.subject_keys AS s
 WHERE s.org_id = org AND s.key_id = ANY (ids) AND s.wrapped IS NOT NULL
$$;

DO $$
DECLARE
    door regprocedure;
BEGIN
    FOR door IN SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'audit'::regnamespace
                   AND (p.proname LIKE 'case\_%' OR p.proname LIKE 'cases\_%' OR p.proname LIKE 'watch\_%') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC, hauberk_audit', door);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO hauberk_audit_sealer', door);
        PERFORM hauberk.exempt(door, 'audit.cases', '{SELECT, INSERT, UPDATE}');
    END LOOP;
END
$$;
