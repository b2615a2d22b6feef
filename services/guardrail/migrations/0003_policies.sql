-- What an organisation has chosen for itself, or for one of its brands ('' = every brand). Runs as hauberk_owner.

CREATE TABLE guardrail.policies (
    org_id     text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    brand      text COLLATE "C" NOT NULL DEFAULT '' CHECK (brand ~ '^([a-z][a-z0-9-]{1,62})?$'),
    document   text NOT NULL CHECK (octet_length(document) <= 131072),
    version    bigint NOT NULL CHECK (version > 0),
    changed_by text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, brand)
);

SELECT hauberk.protect('guardrail.policies');

-- A choice is replaced, never taken away by this service: an empty one leaves everything to the operator.
REVOKE DELETE ON guardrail.policies FROM hauberk_guardrail;
