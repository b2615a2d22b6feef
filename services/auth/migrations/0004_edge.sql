-- How a brand's pages may talk to the product, and its bot challenge. Runs as hauberk_owner with the schema `auth` first.

CREATE TABLE auth.brand_edges (
    org_id          text COLLATE "C" NOT NULL,
    brand           text COLLATE "C" NOT NULL CHECK (brand ~ '^[a-z][a-z0-9-]{1,62}$'),
    version         bigint NOT NULL CHECK (version > 0),
    rules           jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object' AND octet_length(rules::text) <= 65536),
    -- Sealed for this organisation, brand and provider; empty = the brand has no challenge.
    secret          bytea NOT NULL DEFAULT '' CHECK (octet_length(secret) <= 1024),
    previous_secret bytea NOT NULL DEFAULT '' CHECK (octet_length(previous_secret) <= 1024),
    previous_until  timestamptz,
    updated_by      text COLLATE "C" NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, brand),
    CHECK ((octet_length(previous_secret) > 0) = (previous_until IS NOT NULL))
);
COMMENT ON TABLE auth.brand_edges IS 'Browser policy and bot challenge of each brand; secrets are sealed';
SELECT hauberk.protect('auth.brand_edges');

-- Asked before any credential: the edge of exactly this brand of exactly this organisation. One row at most.
CREATE FUNCTION auth.edge_of_brand(wanted_org text, wanted_brand text) RETURNS SETOF auth.brand_edges
    LANGUAGE sql STABLE ROWS 1
AS $$ SELECT * FROM auth.brand_edges WHERE org_id = wanted_org AND brand = wanted_brand $$;
COMMENT ON FUNCTION auth.edge_of_brand(text, text) IS 'The browser policy of exactly this brand';
REVOKE ALL ON FUNCTION auth.edge_of_brand(text, text) FROM PUBLIC;
SELECT hauberk.exempt('auth.edge_of_brand(text, text)'::regprocedure, 'auth.brand_edges'::regclass);
