-- Conversations and their turns, sealed and chained. Runs as hauberk_owner. What is said is readable only with the
-- conversation's own key, which is wrapped under a key that the database does not have: with the row of a conversation
-- gone, nothing of it can be read again, in a backup either.

CREATE TABLE tenancy.conversations (
    org_id          text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    brand_id        text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL CHECK (user_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
    conversation_id text COLLATE "C" NOT NULL CHECK (conversation_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$'),
    wrapped_key     bytea NOT NULL,
    -- Plan of the organisation at the last turn: what its history is kept by.
    retention       text COLLATE "C" NOT NULL CHECK (retention ~ '^[a-z]{1,32}$'),
    head            bigint NOT NULL CHECK (head >= 0),
    head_proof      bytea NOT NULL CHECK (octet_length(head_proof) = 32),
    started_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, brand_id, user_id, conversation_id),
    FOREIGN KEY (org_id, brand_id) REFERENCES tenancy.brands
);
-- Whoever expires histories goes by class and age, within one organisation.
CREATE INDEX conversations_age ON tenancy.conversations (org_id, retention, last_at);

CREATE TABLE tenancy.turns (
    org_id          text COLLATE "C" NOT NULL,
    brand_id        text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    conversation_id text COLLATE "C" NOT NULL,
    sequence        bigint NOT NULL CHECK (sequence > 0),
    role            smallint NOT NULL CHECK (role > 0),
    at_us           bigint NOT NULL CHECK (at_us >= 0),
    sealed          bytea NOT NULL,
    mark            bytea NOT NULL CHECK (octet_length(mark) = 32),
    request_id      text COLLATE "C" NOT NULL DEFAULT '' CHECK (request_id ~ '^[A-Za-z0-9-]{0,64}$'),
    request_proof   bytea NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, brand_id, user_id, conversation_id, sequence),
    FOREIGN KEY (org_id, brand_id, user_id, conversation_id) REFERENCES tenancy.conversations ON DELETE CASCADE
);
CREATE UNIQUE INDEX turns_request ON tenancy.turns (org_id, brand_id, user_id, conversation_id, request_id)
    WHERE request_id <> '';

SELECT hauberk.protect('tenancy.conversations');
SELECT hauberk.protect('tenancy.turns');
-- Turns are added and forgotten, never changed.
REVOKE UPDATE ON tenancy.turns FROM hauberk_tenancy;
