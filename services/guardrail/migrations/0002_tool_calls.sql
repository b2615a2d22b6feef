-- What is known of a tool beside its schema, which definition is approved, what was called, and approvals of single calls.

ALTER TABLE guardrail.tools
    ADD COLUMN traits text NOT NULL DEFAULT '{}' CHECK (octet_length(traits) <= 4096),
    ADD COLUMN approved_hash text COLLATE "C" NOT NULL DEFAULT '' CHECK (approved_hash ~ '^([0-9a-f]{64})?$'),
    ADD COLUMN approved_by text COLLATE "C" NOT NULL DEFAULT '';

-- What could be called until now stays callable. Row-level security binds the owner too, so it is off for this statement.
ALTER TABLE guardrail.tools NO FORCE ROW LEVEL SECURITY;
UPDATE guardrail.tools SET approved_hash = definition_hash, approved_by = changed_by;
ALTER TABLE guardrail.tools FORCE ROW LEVEL SECURITY;

CREATE TABLE guardrail.calls (
    org_id          text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    call_id         bigint GENERATED ALWAYS AS IDENTITY,
    user_id         text COLLATE "C" NOT NULL,
    brand           text COLLATE "C" NOT NULL,
    conversation    text COLLATE "C" NOT NULL,
    txn             text COLLATE "C" NOT NULL,
    tool            text COLLATE "C" NOT NULL,
    labels          text[] NOT NULL,
    called_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, call_id)
);
CREATE INDEX calls_conversation ON guardrail.calls (org_id, user_id, brand, conversation);
CREATE INDEX calls_time ON guardrail.calls (org_id, user_id, called_at);

CREATE TABLE guardrail.approvals (
    org_id           text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    approval         text COLLATE "C" NOT NULL CHECK (approval ~ '^apr_[0-9a-f]{32}$'),
    state            text COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'granted', 'refused', 'used')),
    call_digest      text COLLATE "C" NOT NULL CHECK (call_digest ~ '^[0-9a-f]{64}$'),
    tool             text COLLATE "C" NOT NULL,
    definition_hash  text COLLATE "C" NOT NULL,
    arguments_sha256 text COLLATE "C" NOT NULL,
    conversation     text COLLATE "C" NOT NULL,
    user_id          text COLLATE "C" NOT NULL,
    brand            text COLLATE "C" NOT NULL,
    reason           text COLLATE "C" NOT NULL,
    approver         text COLLATE "C" NOT NULL,
    sealed           bytea,
    requested_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at       timestamptz NOT NULL,
    decided_by       text COLLATE "C" NOT NULL DEFAULT '',
    decided_at       timestamptz,
    used_txn         text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, approval)
);
CREATE INDEX approvals_user ON guardrail.approvals (org_id, user_id, state);
CREATE INDEX approvals_brand ON guardrail.approvals (org_id, brand, requested_at);

SELECT hauberk.protect('guardrail.calls');
SELECT hauberk.protect('guardrail.approvals');
