-- Tools that a model may call, one organisation's own. Runs as hauberk_owner.

CREATE TABLE guardrail.tools (
    org_id          text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    tool            text COLLATE "C" NOT NULL CHECK (tool ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    schema_json     text NOT NULL CHECK (octet_length(schema_json) <= 262144),
    permission      text COLLATE "C" NOT NULL CHECK (permission ~ '^[a-z]+([._][a-z]+)*$'),
    description     text NOT NULL DEFAULT '' CHECK (char_length(description) <= 4096),
    definition_hash text COLLATE "C" NOT NULL CHECK (definition_hash ~ '^[0-9a-f]{64}$'),
    changed_by      text COLLATE "C" NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, tool)
);
CREATE INDEX tools_permission ON guardrail.tools (org_id, permission, tool);

SELECT hauberk.protect('guardrail.tools');

-- A tool is replaced, never taken away by this service: there is no method for it.
REVOKE DELETE ON guardrail.tools FROM hauberk_guardrail;
