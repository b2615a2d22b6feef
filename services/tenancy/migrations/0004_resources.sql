-- Who owns what: the facts that a permission on a resource is decided on. Empty text = none, so that nothing is NULL and
-- every condition on a row is true or false.

CREATE TABLE tenancy.resources (
    org_id      text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    kind        text COLLATE "C" NOT NULL CHECK (kind ~ '^[A-Za-z][A-Za-z0-9_]{0,63}$'),
    resource_id text COLLATE "C" NOT NULL CHECK (resource_id ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}$'),
    owner_id    text COLLATE "C" NOT NULL DEFAULT '' CHECK (owner_id ~ '^([A-Za-z0-9][A-Za-z0-9._:-]{0,127})?$'),
    brand_id    text COLLATE "C" NOT NULL DEFAULT '' CHECK (brand_id ~ '^([a-z][a-z0-9-]{1,62})?$'),
    labels      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(labels) <= 32),
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, kind, resource_id)
);

SELECT hauberk.protect('tenancy.resources');
