-- Etags, settings, suspended members, invitations. Runs as hauberk_owner.

-- Drawn anew at each change, also after something was deleted and made again: an old etag never fits a new row.
CREATE FUNCTION tenancy.etag() RETURNS text
    LANGUAGE sql VOLATILE AS $$ SELECT replace(gen_random_uuid()::text, '-', '') $$;

CREATE FUNCTION tenancy.changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    NEW.etag := tenancy.etag();
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END
$$;

ALTER TABLE tenancy.organisations
    ADD COLUMN etag               text COLLATE "C" NOT NULL DEFAULT tenancy.etag(),
    ADD COLUMN request_id         text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(request_id) <= 64),
    ADD COLUMN default_zone       text COLLATE "C" NOT NULL DEFAULT 'UTC' CHECK (default_zone ~ '^[A-Za-z0-9_+/-]{1,64}$'),
    ADD COLUMN invitation_roles   text[] NOT NULL DEFAULT '{member}' CHECK (cardinality(invitation_roles) BETWEEN 1 AND 32),
    ADD COLUMN invitation_seconds integer NOT NULL DEFAULT 604800 CHECK (invitation_seconds BETWEEN 3600 AND 2592000);
ALTER TABLE tenancy.brands
    ADD COLUMN etag       text COLLATE "C" NOT NULL DEFAULT tenancy.etag(),
    ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE tenancy.members
    ADD COLUMN etag         text COLLATE "C" NOT NULL DEFAULT tenancy.etag(),
    ADD COLUMN changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN display_name text NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 128),
    ADD COLUMN suspended    boolean NOT NULL DEFAULT false;

CREATE TRIGGER changed BEFORE UPDATE ON tenancy.organisations FOR EACH ROW EXECUTE FUNCTION tenancy.changed();
CREATE TRIGGER changed BEFORE UPDATE ON tenancy.brands FOR EACH ROW EXECUTE FUNCTION tenancy.changed();
CREATE TRIGGER changed BEFORE UPDATE ON tenancy.members FOR EACH ROW EXECUTE FUNCTION tenancy.changed();

-- A tenant sets what is its own of this row; plan and status stay with the operator.
GRANT UPDATE (display_name, default_zone, invitation_roles, invitation_seconds) ON tenancy.organisations TO hauberk_tenancy;

CREATE TABLE tenancy.invitations (
    org_id        text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    invitation_id text COLLATE "C" NOT NULL CHECK (invitation_id ~ '^inv_[0-9A-Za-z]{16,32}$'),
    -- Of a secret of 256 random bits; the secret itself is kept nowhere.
    digest        bytea NOT NULL CHECK (octet_length(digest) = 32),
    user_id       text COLLATE "C" NOT NULL DEFAULT '' CHECK (user_id ~ '^([A-Za-z0-9][A-Za-z0-9._:-]{0,127})?$'),
    roles         text[] NOT NULL CHECK (cardinality(roles) BETWEEN 1 AND 32),
    brands        text[] NOT NULL CHECK (cardinality(brands) <= 256),
    all_brands    boolean NOT NULL CHECK (all_brands = (cardinality(brands) = 0)),
    display_name  text NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 128),
    invited_by    text COLLATE "C" NOT NULL,
    request_id    text COLLATE "C" NOT NULL DEFAULT '' CHECK (length(request_id) <= 64),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL CHECK (expires_at > created_at),
    accepted_at   timestamptz,
    accepted_by   text COLLATE "C" NOT NULL DEFAULT '',
    voided_at     timestamptz,
    etag          text COLLATE "C" NOT NULL DEFAULT tenancy.etag(),
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, invitation_id),
    -- With whoever invited go the invitations.
    FOREIGN KEY (org_id, invited_by) REFERENCES tenancy.members ON DELETE CASCADE
);
CREATE UNIQUE INDEX invitations_digest ON tenancy.invitations (digest);
CREATE UNIQUE INDEX invitations_request ON tenancy.invitations (org_id, invited_by, request_id) WHERE request_id <> '';
CREATE TRIGGER changed BEFORE UPDATE ON tenancy.invitations FOR EACH ROW EXECUTE FUNCTION tenancy.changed();
SELECT hauberk.protect('tenancy.invitations');

-- Whoever may do less than when they invited no longer vouches for what is pending. In the transaction of the change, so
-- that it does not hang on what acceptance can see.
CREATE FUNCTION tenancy.member_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN  -- what a member accepted opens nothing again; what a member offered goes by the foreign key
        DELETE FROM tenancy.invitations AS i WHERE i.org_id = OLD.org_id AND i.accepted_by = OLD.user_id;
    ELSIF NEW.suspended OR NOT NEW.all_brands OR NOT NEW.roles @> OLD.roles THEN
        UPDATE tenancy.invitations AS i SET voided_at = clock_timestamp()
         WHERE i.org_id = NEW.org_id AND i.invited_by = NEW.user_id AND i.accepted_at IS NULL AND i.voided_at IS NULL;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER member_changed AFTER UPDATE OR DELETE ON tenancy.members
    FOR EACH ROW EXECUTE FUNCTION tenancy.member_changed();

-- Who may invite was answered under the policies of then.
CREATE FUNCTION tenancy.policies_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.active IS NULL THEN
        RETURN NULL;
    ELSIF TG_OP = 'UPDATE' AND NEW.active IS NOT DISTINCT FROM OLD.active THEN
        RETURN NULL;
    END IF;
    UPDATE tenancy.invitations AS i SET voided_at = clock_timestamp()
     WHERE i.org_id = NEW.org_id AND i.accepted_at IS NULL AND i.voided_at IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER policies_changed AFTER INSERT OR UPDATE ON tenancy.policy_state
    FOR EACH ROW EXECUTE FUNCTION tenancy.policies_changed();

-- The operator's doors again: with etags and request ids, and with a result that has room for lifecycle facts only.
CREATE TYPE tenancy.lifecycle AS (
    org_id text, display_name text, plan text, status text, created_at timestamptz, changed_at timestamptz, etag text
);
GRANT USAGE ON TYPE tenancy.lifecycle TO hauberk_lookup, hauberk_tenancy;
DROP FUNCTION tenancy.create_organisation(text, text, text, text, text);
DROP FUNCTION tenancy.get_organisation(text);
DROP FUNCTION tenancy.update_organisation(text, text, text);

CREATE FUNCTION tenancy.create_organisation(
    new_org text, new_name text, new_plan text, first_brand text, first_owner text, request text
) RETURNS SETOF tenancy.lifecycle
    LANGUAGE plpgsql
AS $$
DECLARE
    made text;
BEGIN
    INSERT INTO tenancy.organisations AS o (org_id, display_name, plan, request_id)
        VALUES (new_org, new_name, new_plan, request)
        ON CONFLICT (org_id) DO NOTHING RETURNING o.org_id INTO made;
    IF made IS NOT NULL THEN  -- else it is taken: nothing is added to an organisation that exists
        INSERT INTO tenancy.brands (org_id, brand_id, display_name) VALUES (new_org, first_brand, first_brand);
        INSERT INTO tenancy.members (org_id, user_id, roles, all_brands) VALUES (new_org, first_owner, '{owner}', true);
    END IF;
    RETURN QUERY SELECT o.org_id, o.display_name, o.plan, o.status, o.created_at, o.changed_at, o.etag
        FROM tenancy.organisations AS o
        WHERE o.org_id = new_org AND (made IS NOT NULL OR (request <> '' AND o.request_id = request));
END
$$;

CREATE FUNCTION tenancy.get_organisation(wanted text) RETURNS SETOF tenancy.lifecycle
    LANGUAGE sql STABLE
AS $$
    SELECT o.org_id, o.display_name, o.plan, o.status, o.created_at, o.changed_at, o.etag
      FROM tenancy.organisations AS o WHERE o.org_id = wanted
$$;

CREATE FUNCTION tenancy.list_organisations(past text, most integer) RETURNS SETOF tenancy.lifecycle
    LANGUAGE sql STABLE
AS $$
    SELECT o.org_id, o.display_name, o.plan, o.status, o.created_at, o.changed_at, o.etag
      FROM tenancy.organisations AS o WHERE o.org_id > past COLLATE "C" ORDER BY o.org_id LIMIT most
$$;

CREATE FUNCTION tenancy.update_organisation(
    wanted text, new_name text, new_plan text, new_status text, known_etag text
) RETURNS SETOF tenancy.lifecycle
    LANGUAGE sql
AS $$
    UPDATE tenancy.organisations AS o
       SET display_name = coalesce(new_name, o.display_name), plan = coalesce(new_plan, o.plan),
           status = coalesce(new_status, o.status)
     WHERE o.org_id = wanted AND (known_etag = '' OR o.etag = known_etag)
    RETURNING o.org_id, o.display_name, o.plan, o.status, o.created_at, o.changed_at, o.etag
$$;

SELECT hauberk.exempt('tenancy.create_organisation(text, text, text, text, text, text)', 'tenancy.organisations',
                      '{SELECT, INSERT}');
SELECT hauberk.exempt('tenancy.get_organisation(text)', 'tenancy.organisations', '{SELECT}');
SELECT hauberk.exempt('tenancy.list_organisations(text, integer)', 'tenancy.organisations', '{SELECT}');
SELECT hauberk.exempt('tenancy.update_organisation(text, text, text, text, text)', 'tenancy.organisations',
                      '{SELECT, UPDATE}');

-- The one question that precedes the tenant: whose invitation has this digest? The answer is the membership itself: one
-- row when the user is a member now (or was made one by this very invitation), `already` when the user whom the
-- invitation names was one before, no row for anything else.
CREATE FUNCTION tenancy.accept_invitation(wanted bytea, new_user text)
    RETURNS TABLE (its_org text, already boolean, its_roles text[], its_brands text[])
    LANGUAGE plpgsql ROWS 1
AS $$
DECLARE
    found tenancy.invitations;
BEGIN
    SELECT i.* INTO found FROM tenancy.invitations AS i WHERE i.digest = wanted FOR UPDATE;
    IF found.org_id IS NULL OR found.voided_at IS NOT NULL OR found.expires_at <= clock_timestamp()
        OR found.user_id NOT IN ('', new_user) OR found.accepted_by NOT IN ('', new_user)
        OR NOT EXISTS (SELECT FROM tenancy.organisations AS o WHERE o.org_id = found.org_id AND o.status = 'active')
    THEN
        RETURN;
    END IF;
    its_org := found.org_id; already := false; its_roles := found.roles; its_brands := found.brands;
    IF found.accepted_at IS NULL THEN
        BEGIN
            INSERT INTO tenancy.members (org_id, user_id, roles, all_brands, display_name)
                VALUES (found.org_id, new_user, found.roles, found.all_brands, found.display_name);
            INSERT INTO tenancy.member_brands (org_id, user_id, brand_id)
                SELECT found.org_id, new_user, unnest(found.brands);
        EXCEPTION
            WHEN unique_violation THEN
                IF found.user_id = '' THEN  -- else whoever holds a secret could ask who is a member
                    RETURN;
                END IF;
                already := true;
                RETURN NEXT;
                RETURN;
            WHEN foreign_key_violation THEN  -- a brand that is gone
                RETURN;
        END;
        UPDATE tenancy.invitations AS i SET accepted_at = clock_timestamp(), accepted_by = new_user
         WHERE i.org_id = found.org_id AND i.invitation_id = found.invitation_id;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION tenancy.accept_invitation(bytea, text) IS 'Makes a user a member by an invitation, once';
GRANT INSERT ON tenancy.member_brands TO hauberk_lookup;
CREATE POLICY lookup_insert ON tenancy.member_brands AS PERMISSIVE FOR INSERT TO hauberk_lookup WITH CHECK (true);
GRANT USAGE ON TYPE tenancy.invitations TO hauberk_lookup;
GRANT EXECUTE ON FUNCTION tenancy.etag() TO hauberk_lookup;
SELECT hauberk.exempt('tenancy.accept_invitation(bytea, text)', 'tenancy.invitations', '{SELECT, UPDATE}');
