"""The tables of the first migration of a PostgreSQL database; schema.py has those after it, and their rules."""

# `number` of an event or an erasure is its place in the order of commits: see numbers.py. Texts are compared by their
# bytes, as Python compares them. Documents are `json`, not `jsonb`, which changes numbers and the order of keys.
FIRST_TABLES = """
CREATE TABLE source (
    id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL,
    enabled boolean NOT NULL,
    consent boolean NOT NULL,
    returns_profile boolean NOT NULL,
    permanent_profile_id boolean NOT NULL,
    origins json NOT NULL,
    rate_limit double precision,
    tags json NOT NULL,
    inserted timestamptz,
    updated timestamptz
);
CREATE TABLE sources_version (id integer PRIMARY KEY CHECK (id = 1), version bigint NOT NULL);
INSERT INTO sources_version VALUES (1, 0);
CREATE FUNCTION source_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE sources_version SET version = version + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER source_changed AFTER INSERT OR UPDATE OR DELETE ON source
FOR EACH STATEMENT EXECUTE FUNCTION source_changed();
CREATE TABLE profile (
    id text COLLATE "C" PRIMARY KEY,
    seq bigint NOT NULL,
    revision bigint NOT NULL,
    doc json NOT NULL,
    remembered bigint NOT NULL DEFAULT 0,
    reevaluated timestamptz,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE
) WITH (fillfactor = 80);
CREATE TABLE merged (id text COLLATE "C" PRIMARY KEY, into_id text COLLATE "C" NOT NULL);
CREATE INDEX merged_by_profile ON merged (into_id);
CREATE TABLE erased (
    hash text COLLATE "C" PRIMARY KEY,
    erased timestamptz NOT NULL,
    number bigint NOT NULL UNIQUE
);
CREATE TABLE session (
    id text COLLATE "C" PRIMARY KEY,
    profile_id text COLLATE "C" NOT NULL,
    inserted timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    context json NOT NULL,
    properties json NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE
) WITH (fillfactor = 80);
CREATE INDEX session_by_profile ON session (profile_id, number);
CREATE TABLE event (
    number bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    profile_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    source_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL,
    inserted timestamptz NOT NULL,
    status text NOT NULL,
    ip text,
    properties json NOT NULL,
    context json NOT NULL,
    config json NOT NULL,
    tags json NOT NULL,
    reasons json,
    rules json
);
CREATE INDEX event_by_profile ON event (profile_id, number);
CREATE INDEX event_by_id ON event (id, profile_id);
CREATE TABLE event_id (
    profile_id text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    seq bigint,
    PRIMARY KEY (profile_id, id)
);
CREATE TABLE event_numbers (
    id integer PRIMARY KEY CHECK (id = 1),
    xid_offset bigint NOT NULL,
    deleted_up_to bigint NOT NULL
);
INSERT INTO event_numbers VALUES (1, 0, 0);
CREATE TABLE feed_history (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    begins_after bigint NOT NULL,
    refusals_after bigint NOT NULL
);
CREATE TABLE pii (
    name text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    profile_id text COLLATE "C" NOT NULL
);
CREATE INDEX pii_by_value ON pii (name, md5(value));
CREATE INDEX pii_by_profile ON pii (profile_id);
CREATE TABLE heartbeat (id integer PRIMARY KEY CHECK (id = 1), beats bigint NOT NULL);
INSERT INTO heartbeat VALUES (1, 0);
CREATE TABLE token (
    name text COLLATE "C" PRIMARY KEY,
    hash text NOT NULL UNIQUE,
    scopes text NOT NULL,
    inserted timestamptz NOT NULL,
    expires timestamptz,
    used timestamptz
);
CREATE TABLE tokens_made (id integer PRIMARY KEY CHECK (id = 1), number bigint NOT NULL);
INSERT INTO tokens_made VALUES (1, 0);
CREATE FUNCTION token_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tokens_made SET number = number + 1;
    RETURN NULL;
END
$$;
CREATE TRIGGER token_made AFTER INSERT ON token FOR EACH STATEMENT EXECUTE FUNCTION token_made();
CREATE TABLE login (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    hash text NOT NULL UNIQUE,
    scopes text NOT NULL,
    inserted timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    token_hash text,
    is_link boolean NOT NULL
);
CREATE TABLE installation (
    id integer PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL,
    page text NOT NULL
);
CREATE TABLE job (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    arguments json NOT NULL,
    state text NOT NULL DEFAULT 'open',
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    position json NOT NULL DEFAULT '{}',
    result json NOT NULL DEFAULT '{}',
    inserted timestamptz NOT NULL,
    updated timestamptz NOT NULL
);
CREATE TABLE retention (
    id integer PRIMARY KEY CHECK (id = 1),
    stopped_after timestamptz,
    confirmed timestamptz,
    trusted timestamptz
);
INSERT INTO retention VALUES (1, NULL, NULL, NULL);
CREATE TABLE refusal (
    number bigint PRIMARY KEY,
    time timestamptz NOT NULL,
    status integer NOT NULL,
    reason text NOT NULL,
    source_id text,
    network text,
    event_type text,
    event_id text,
    profile_id text COLLATE "C",
    session_id text COLLATE "C",
    faults json NOT NULL,
    body text,
    left_out bigint NOT NULL
);
CREATE TABLE refusal_numbers (id integer PRIMARY KEY CHECK (id = 1), used_up_to bigint NOT NULL);
INSERT INTO refusal_numbers VALUES (1, 0);
"""
