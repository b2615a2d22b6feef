-- The feed of revocations: every rise of an epoch, in one order, written in the transaction of its cause.

-- Rows of a session or of one token may go once what they revoke has expired anyway. Nothing else ever goes.
ALTER TABLE auth.epochs ADD COLUMN expires_at timestamptz CHECK (expires_at IS NULL OR name ~ '^[st]:');
CREATE INDEX epochs_expiry ON auth.epochs (expires_at) WHERE expires_at IS NOT NULL;
REVOKE DELETE ON auth.epochs FROM hauberk_auth;

CREATE TABLE auth.revocations (
    org_id    text COLLATE "C" NOT NULL,
    sequence  bigint NOT NULL,
    name      text COLLATE "C" NOT NULL,
    epoch     bigint NOT NULL CHECK (epoch > 0),
    raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, sequence)
);
COMMENT ON TABLE auth.revocations IS 'The last minutes of rises, of all organisations, in the order of their commits';
CREATE INDEX revocations_order ON auth.revocations (sequence);
CREATE INDEX revocations_age ON auth.revocations (raised_at);
SELECT hauberk.protect('auth.revocations');

-- A row, not a sequence: its lock is held until the commit, so numbers become visible in their own order and a reader
-- who has seen one has seen all before it. A sequence would let a later number commit first.
CREATE TABLE auth.revocation_head (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence  bigint NOT NULL DEFAULT 0,
    forgotten bigint NOT NULL DEFAULT 0 CHECK (forgotten <= sequence)
);
COMMENT ON TABLE auth.revocation_head IS 'Number of the last rise, and of the last one that was forgotten';
INSERT INTO auth.revocation_head DEFAULT VALUES;

-- Nobody writes or reads the feed but through what follows.
REVOKE ALL ON auth.revocations, auth.revocation_head FROM hauberk_auth;
GRANT SELECT, UPDATE ON auth.revocation_head TO hauberk_lookup;

CREATE FUNCTION auth.announce_rise() RETURNS trigger
    LANGUAGE plpgsql
AS $$
DECLARE
    place bigint;
    what  text;
BEGIN
    IF TG_TABLE_NAME = 'api_keys' THEN
        what := 'k:' || NEW.key_id;
    ELSE
        what := NEW.name;
    END IF;
    UPDATE auth.revocation_head SET sequence = sequence + 1 RETURNING sequence INTO place;
    INSERT INTO auth.revocations (org_id, sequence, name, epoch) VALUES (NEW.org_id, place, what, NEW.epoch);
    RETURN NULL;
END
$$;

-- Deferred to the commit itself: no client can sit on the lock that all other revocations wait for.
CREATE CONSTRAINT TRIGGER announce_first_rise AFTER INSERT ON auth.epochs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION auth.announce_rise();
CREATE CONSTRAINT TRIGGER announce_rise AFTER UPDATE ON auth.epochs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION auth.announce_rise();
CREATE CONSTRAINT TRIGGER announce_rise AFTER UPDATE ON auth.api_keys DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION auth.announce_rise();

SELECT hauberk.exempt('auth.announce_rise()', 'auth.revocations', '{INSERT}');

-- Whatever a service is made to write: an epoch does not fall.
CREATE FUNCTION auth.refuse_fall() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an epoch does not fall' USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER no_fall BEFORE UPDATE ON auth.epochs FOR EACH ROW WHEN (NEW.epoch < OLD.epoch)
    EXECUTE FUNCTION auth.refuse_fall();
CREATE TRIGGER no_fall BEFORE UPDATE ON auth.api_keys FOR EACH ROW WHEN (NEW.epoch < OLD.epoch)
    EXECUTE FUNCTION auth.refuse_fall();

-- Auth's only way to read it: one statement, so that head and entries are of one moment.
CREATE FUNCTION auth.read_revocations(after bigint, most integer)
    RETURNS TABLE (head bigint, forgotten bigint, sequence bigint, org_id text, name text, epoch bigint)
    LANGUAGE sql STABLE
AS $$
    SELECT h.sequence, h.forgotten, r.sequence, r.org_id, r.name, r.epoch
      FROM auth.revocation_head AS h
      LEFT JOIN LATERAL (
          SELECT * FROM auth.revocations AS e WHERE e.sequence > after ORDER BY e.sequence LIMIT most
      ) AS r ON true
     ORDER BY r.sequence
$$;
COMMENT ON FUNCTION auth.read_revocations(bigint, integer) IS 'Rises after a number, with the head of the feed';
REVOKE ALL ON FUNCTION auth.read_revocations(bigint, integer) FROM PUBLIC;
SELECT hauberk.exempt('auth.read_revocations(bigint, integer)', 'auth.revocations', '{SELECT}');

-- Old news, and epochs of what has expired by itself. Only ever by age, and never the young.
CREATE FUNCTION auth.forget_revocations() RETURNS bigint
    LANGUAGE plpgsql
AS $$
DECLARE
    last bigint;
BEGIN
    DELETE FROM auth.epochs WHERE expires_at < clock_timestamp();
    WITH gone AS (
        DELETE FROM auth.revocations WHERE raised_at < clock_timestamp() - interval '10 minutes' RETURNING sequence
    )
    SELECT max(gone.sequence) INTO last FROM gone;
    UPDATE auth.revocation_head SET forgotten = greatest(forgotten, last) WHERE last IS NOT NULL;
    RETURN last;
END
$$;
COMMENT ON FUNCTION auth.forget_revocations() IS 'Forgets rises older than ten minutes and epochs past their expiry';
REVOKE ALL ON FUNCTION auth.forget_revocations() FROM PUBLIC;
GRANT SELECT, DELETE ON auth.epochs TO hauberk_lookup;
CREATE POLICY lookup_select ON auth.epochs AS PERMISSIVE FOR SELECT TO hauberk_lookup USING (expires_at IS NOT NULL);
CREATE POLICY lookup_delete ON auth.epochs AS PERMISSIVE FOR DELETE TO hauberk_lookup USING (expires_at IS NOT NULL);
SELECT hauberk.exempt('auth.forget_revocations()', 'auth.revocations', '{SELECT, DELETE}');
