-- What an organisation chooses about redaction, and the recognizers that it brings. Runs as hauberk_owner.

-- `version` counts every change, of choices and recognizers alike: a process that holds the same one holds all of it.
-- Its row is locked by each change, so that changes of one organisation come one after the other.
CREATE TABLE redaction.settings (
    org_id       text COLLATE "C" PRIMARY KEY CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    version      bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    placeholders text COLLATE "C" CHECK (placeholders IN ('readable', 'tagged')),
    late_names   text COLLATE "C" CHECK (late_names IN ('closed', 'patterns_only')),
    chosen       bigint NOT NULL DEFAULT 0,
    changed_by   text COLLATE "C" NOT NULL,
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN redaction.settings.chosen IS 'Version at which the choices were last changed; NULL choices follow the policy file';

CREATE TABLE redaction.recognizers (
    org_id     text COLLATE "C" NOT NULL CHECK (org_id ~ '^[a-z][a-z0-9-]{1,62}$'),
    entity     text COLLATE "C" NOT NULL CHECK (entity ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    pattern    text COLLATE "C" NOT NULL CHECK (char_length(pattern) BETWEEN 1 AND 1000),
    score      float8 NOT NULL CHECK (score > 0 AND score <= 1),
    context    text[] NOT NULL DEFAULT '{}' CHECK (cardinality(context) <= 64),
    version    bigint NOT NULL CHECK (version > 0),
    changed_by text COLLATE "C" NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, entity)
);

SELECT hauberk.protect('redaction.settings');
SELECT hauberk.protect('redaction.recognizers');

-- The count of changes never begins anew, or a process could take an old state for the present one.
REVOKE DELETE ON redaction.settings FROM hauberk_redaction;
