-- The tenant of a transaction is proven, not claimed. Runs as hauberk_owner, which nobody can log in as.

CREATE TABLE hauberk.org_mac_keys (
    kid        text COLLATE "C" PRIMARY KEY CHECK (kid ~ '^[A-Za-z0-9_-]{1,64}$'),
    inner_pad  bytea NOT NULL CHECK (octet_length(inner_pad) = 64),
    outer_pad  bytea NOT NULL CHECK (octet_length(outer_pad) = 64),
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE hauberk.org_mac_keys IS 'HMAC-SHA256 pads that prove an organisation; read by current_org() alone';
REVOKE ALL ON hauberk.org_mac_keys FROM PUBLIC;

-- NULL for whatever is not a true, live proof; never an error, so that a forgery reads as "no rows".
CREATE FUNCTION hauberk.current_org() RETURNS text
    LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    proof    text := current_setting('hauberk.org', true);
    part     text[];
    inner_k  bytea;
    outer_k  bytea;
    expected bytea;
BEGIN
    -- One pattern before any cast: nothing below can fail. The length first, so that it stays cheap.
    IF proof IS NULL OR octet_length(proof) > 220
       OR proof !~ '^[a-z][a-z0-9-]{1,62}\.[1-9][0-9]{0,10}\.[A-Za-z0-9_-]{1,64}\.[0-9a-f]{64}$' THEN
        RETURN NULL;
    END IF;
    part := string_to_array(proof, '.');
    IF part[2]::bigint <= extract(epoch FROM clock_timestamp()) THEN
        RETURN NULL;
    END IF;
    SELECT k.inner_pad, k.outer_pad INTO inner_k, outer_k
      FROM hauberk.org_mac_keys AS k WHERE k.kid = part[3] AND k.active;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    expected := sha256(outer_k || sha256(inner_k || convert_to(part[1] || '.' || part[2] || '.' || part[3], 'UTF8')));
    -- Compared under the key once more: how early two digests differ then tells nothing about the MAC.
    IF sha256(outer_k || expected) <> sha256(outer_k || decode(part[4], 'hex')) THEN
        RETURN NULL;
    END IF;
    RETURN part[1];
END
$$;
COMMENT ON FUNCTION hauberk.current_org() IS 'The proven organisation of this transaction, or NULL';
REVOKE ALL ON FUNCTION hauberk.current_org() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hauberk.current_org() TO hauberk_tenant_bound, hauberk_lookup;

-- Called by migrations for every table with an org_id. The sub-select makes the check run once per statement
-- (InitPlan) and keeps the index. A restrictive policy is ANDed: no later policy can widen it. Both policies name
-- hauberk_tenant_bound, the group of all service roles: any other role meets no policy at all and sees nothing.
CREATE FUNCTION hauberk.protect(target regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY service ON %s AS PERMISSIVE TO hauberk_tenant_bound USING (true) WITH CHECK (true)', target);
    EXECUTE format(
        'CREATE POLICY tenant ON %s AS RESTRICTIVE TO hauberk_tenant_bound '
        'USING (org_id = (SELECT hauberk.current_org())) '
        'WITH CHECK (org_id = (SELECT hauberk.current_org()))', target);
END
$$;

-- The narrow door for a question that must precede the tenant (whose key is this digest?). The function becomes
-- SECURITY DEFINER of hauberk_lookup, a role nobody can be, which gets exactly the named actions on that one table.
CREATE FUNCTION hauberk.exempt(door regprocedure, target regclass, actions text[] DEFAULT '{SELECT}') RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    action   text;
    home     regnamespace := (SELECT pronamespace FROM pg_proc WHERE oid = door);
    existing text[] := (SELECT coalesce(array_agg(polname::text), '{}') FROM pg_policy WHERE polrelid = target);
BEGIN
    FOREACH action IN ARRAY actions LOOP
        IF action NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') THEN
            RAISE EXCEPTION 'no such action: %', action;
        END IF;
        EXECUTE format('GRANT %s ON %s TO hauberk_lookup', action, target);
        CONTINUE WHEN 'lookup_' || lower(action) = ANY (existing);
        EXECUTE format('CREATE POLICY %I ON %s AS PERMISSIVE FOR %s TO hauberk_lookup %s',
            'lookup_' || lower(action), target, action,
            CASE action WHEN 'INSERT' THEN 'WITH CHECK (true)'
                        WHEN 'UPDATE' THEN 'USING (true) WITH CHECK (true)' ELSE 'USING (true)' END);
    END LOOP;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %s TO hauberk_lookup', home);
    EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', door);
    EXECUTE format('ALTER FUNCTION %s OWNER TO hauberk_lookup', door);
    EXECUTE format('REVOKE CREATE ON SCHEMA %s FROM hauberk_lookup', home);
END
$$;
REVOKE ALL ON FUNCTION hauberk.protect(regclass), hauberk.exempt(regprocedure, regclass, text[]) FROM PUBLIC;
