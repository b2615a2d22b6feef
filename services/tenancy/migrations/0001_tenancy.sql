-- Organisations, brands and members. Runs as hauberk_owner. Every key leads with org_id, so that neither a foreign key
-- nor a unique index can tell one organisation anything about another.

CREATE TABLE tenancy.organisations (
    org_id       text COLLATE "C" PRIMARY KEY CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    display_name text NOT NULL CHECK (char_length(display_name) <= 128),
    plan         text COLLATE "C" NOT NULL CHECK (plan ~ '^[a-z]{1,32}$'),
    status       text COLLATE "C" NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE tenancy.brands (
    org_id       text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    brand_id     text COLLATE "C" NOT NULL CHECK (brand_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    display_name text NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 128),
    zone         text COLLATE "C" NOT NULL DEFAULT 'UTC' CHECK (zone ~ '^[A-Za-z0-9_+/-]{1,64}$'),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, brand_id)
);

CREATE TABLE tenancy.members (
    org_id     text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    user_id    text COLLATE "C" NOT NULL CHECK (user_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
    roles      text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 32),
    -- Said outright: with the last row of member_brands gone a member has no brand, not all of them.
    all_brands boolean NOT NULL,
    joined_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, user_id)
);
CREATE INDEX members_owners ON tenancy.members (org_id, user_id) WHERE 'owner' = ANY (roles);

CREATE TABLE tenancy.member_brands (
    org_id   text COLLATE "C" NOT NULL,
    user_id  text COLLATE "C" NOT NULL,
    brand_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, user_id, brand_id),
    FOREIGN KEY (org_id, user_id) REFERENCES tenancy.members ON DELETE CASCADE,
    FOREIGN KEY (org_id, brand_id) REFERENCES tenancy.brands
);
CREATE INDEX member_brands_brand ON tenancy.member_brands (org_id, brand_id);

SELECT hauberk.protect('tenancy.organisations');
SELECT hauberk.protect('tenancy.brands');
SELECT hauberk.protect('tenancy.members');
SELECT hauberk.protect('tenancy.member_brands');

-- No tenant changes its own plan or status: that is lifecycle, and goes through the doors below.
REVOKE INSERT, UPDATE, DELETE ON tenancy.organisations FROM hauberk_tenancy;

-- The operator has no tenant. Three doors, run by a role nobody can be, which may read organisations and may add a
-- first brand and a first owner, but may not read any brand or member.

CREATE FUNCTION tenancy.create_organisation(
    new_org text, new_name text, new_plan text, first_brand text, first_owner text
) RETURNS SETOF tenancy.organisations
    LANGUAGE plpgsql
AS $$
DECLARE
    made tenancy.organisations;
BEGIN
    INSERT INTO tenancy.organisations (org_id, display_name, plan) VALUES (new_org, new_name, new_plan)
        ON CONFLICT (org_id) DO NOTHING RETURNING * INTO made;
    IF made.org_id IS NULL THEN  -- taken: nothing is added to an organisation that exists
        RETURN;
    END IF;
    INSERT INTO tenancy.brands (org_id, brand_id, display_name) VALUES (new_org, first_brand, first_brand);
    INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES (new_org, first_owner, '{owner}', true);
    RETURN NEXT made;
END
$$;

CREATE FUNCTION tenancy.get_organisation(wanted text) RETURNS SETOF tenancy.organisations
    LANGUAGE sql STABLE
AS $$
    SELECT o.* FROM tenancy.organisations AS o WHERE o.org_id = wanted
$$;

CREATE FUNCTION tenancy.update_organisation(wanted text, new_plan text, new_status text)
    RETURNS SETOF tenancy.organisations
    LANGUAGE sql
AS $$
    UPDATE tenancy.organisations AS o
       SET plan = coalesce(new_plan, o.plan), status = coalesce(new_status, o.status), changed_at = clock_timestamp()
     WHERE o.org_id = wanted
    RETURNING o.*
$$;

GRANT INSERT ON tenancy.brands, tenancy.members TO hauberk_lookup;
CREATE POLICY lookup_insert ON tenancy.brands AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
CREATE POLICY lookup_insert ON tenancy.members AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
GRANT USAGE ON TYPE tenancy.organisations TO hauberk_lookup;
SELECT hauberk.exempt('tenancy.create_organisation(text, text, text, text, text)', 'tenancy.organisations',
                      '{SELECT, INSERT}');
SELECT hauberk.exempt('tenancy.get_organisation(text)', 'tenancy.organisations', '{SELECT}');
SELECT hauberk.exempt('tenancy.update_organisation(text, text, text)', 'tenancy.organisations', '{SELECT, UPDATE}');
