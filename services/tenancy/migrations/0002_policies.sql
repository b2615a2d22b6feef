-- Policies that organisations write for themselves. A version never changes once it is written; what is in force is one
-- row per organisation. A version that is in force or tried cannot be deleted: the foreign keys say so.

CREATE TABLE tenancy.policy_versions (
    org_id     text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    version    integer NOT NULL CHECK (version >= 1),
    source     text NOT NULL CHECK (octet_length(source) <= 16000000),
    -- One line for each policy, with what its head says; read instead of `source` while `language` is still the same.
    compiled   text NOT NULL,
    language   text COLLATE "C" NOT NULL CHECK (language ~ '^[0-9a-f]{32}$'),
    digest     text COLLATE "C" NOT NULL CHECK (digest ~ '^[0-9a-f]{32}$'),
    policies   integer NOT NULL CHECK (policies BETWEEN 0 AND 10000),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, version)
);

CREATE TABLE tenancy.policy_state (
    org_id    text COLLATE "C" PRIMARY KEY REFERENCES tenancy.organisations,
    active    integer,
    candidate integer,
    -- Numbers are never used twice, also when the latest version is deleted: processes remember versions by number.
    latest    integer NOT NULL DEFAULT 0,
    revision  bigint NOT NULL DEFAULT 0,
    FOREIGN KEY (org_id, active) REFERENCES tenancy.policy_versions,
    FOREIGN KEY (org_id, candidate) REFERENCES tenancy.policy_versions
);

-- What a tried version would have answered otherwise, counted; as many rows as the schema has questions.
CREATE TABLE tenancy.policy_trials (
    org_id        text COLLATE "C" NOT NULL,
    version       integer NOT NULL,
    action        text COLLATE "C" NOT NULL,
    resource_type text COLLATE "C" NOT NULL,
    asked         bigint NOT NULL,
    would_refuse  bigint NOT NULL,
    would_allow   bigint NOT NULL,
    PRIMARY KEY (org_id, version, action, resource_type),
    FOREIGN KEY (org_id, version) REFERENCES tenancy.policy_versions ON DELETE CASCADE
);

SELECT hauberk.protect('tenancy.policy_versions');
SELECT hauberk.protect('tenancy.policy_state');
SELECT hauberk.protect('tenancy.policy_trials');

-- History is not rewritten.
REVOKE UPDATE ON tenancy.policy_versions FROM hauberk_tenancy;
