-- Documents of an organisation, cut into chunks. Text and titles are sealed by the service with a key of the
-- organisation; vectors, labels, brand and owner are searched, and so are stored plain.

CREATE TABLE tenancy.content_keys (
    org_id     text COLLATE "C" NOT NULL REFERENCES tenancy.organisations,
    key_id     integer NOT NULL CHECK (key_id > 0),
    kek_kid    text COLLATE "C" NOT NULL CHECK (kek_kid ~ '^[a-z0-9-]{1,32}$'),
    wrapped    bytea NOT NULL CHECK (octet_length(wrapped) BETWEEN 48 AND 128),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, key_id)
);

-- One kind of vector per organisation: vectors of two models cannot be compared.
CREATE TABLE tenancy.knowledge_spaces (
    org_id    text COLLATE "C" PRIMARY KEY REFERENCES tenancy.organisations,
    dimension smallint NOT NULL CHECK (dimension BETWEEN 1 AND 4096),
    embedder  text COLLATE "C" NOT NULL CHECK (embedder ~ '^[a-z0-9-]{1,64}$')
);

CREATE TABLE tenancy.documents (
    org_id      text COLLATE "C" NOT NULL,
    document_id text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL DEFAULT 'Document' CHECK (kind = 'Document'),
    key_id      integer NOT NULL,
    title       bytea NOT NULL CHECK (octet_length(title) <= 4096),
    put_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (org_id, document_id),
    FOREIGN KEY (org_id, kind, document_id) REFERENCES tenancy.resources ON DELETE CASCADE,
    FOREIGN KEY (org_id, key_id) REFERENCES tenancy.content_keys
);
CREATE INDEX documents_resource ON tenancy.documents (org_id, kind, document_id);

CREATE TABLE tenancy.chunks (
    org_id      text COLLATE "C" NOT NULL,
    document_id text COLLATE "C" NOT NULL,
    chunk       integer NOT NULL CHECK (chunk >= 0),
    -- Copies of the facts in tenancy.resources, written in the same transaction: a search filters without a join.
    owner_id    text COLLATE "C" NOT NULL,
    brand_id    text COLLATE "C" NOT NULL,
    labels      text[] NOT NULL,
    dimension   smallint NOT NULL CHECK (dimension = hauberk_ext.vector_dims(embedding)),
    embedding   hauberk_ext.vector STORAGE MAIN NOT NULL,
    sealed      bytea NOT NULL CHECK (octet_length(sealed) <= 1049600),
    PRIMARY KEY (org_id, document_id, chunk),
    FOREIGN KEY (org_id, document_id) REFERENCES tenancy.documents ON DELETE CASCADE
);
CREATE INDEX chunks_brand ON tenancy.chunks (org_id, brand_id);

-- Approximate search, for organisations with so many chunks that reading them all takes too long. One graph for each
-- usual dimension, shared by all organisations; row-level security filters what it finds.
CREATE INDEX chunks_near_256 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(256)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 256;
CREATE INDEX chunks_near_384 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(384)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 384;
CREATE INDEX chunks_near_768 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(768)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 768;
CREATE INDEX chunks_near_1024 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(1024)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 1024;
CREATE INDEX chunks_near_1536 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(1536)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 1536;
CREATE INDEX chunks_near_3072 ON tenancy.chunks
    USING hnsw ((embedding::hauberk_ext.halfvec(3072)) hauberk_ext.halfvec_cosine_ops) WHERE dimension = 3072;

SELECT hauberk.protect('tenancy.content_keys');
SELECT hauberk.protect('tenancy.knowledge_spaces');
SELECT hauberk.protect('tenancy.documents');
SELECT hauberk.protect('tenancy.chunks');
