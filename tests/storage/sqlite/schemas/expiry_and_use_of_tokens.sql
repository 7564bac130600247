-- A database as a server wrote it whose last migration was expiry_and_use_of_tokens. See test_upgrades.py.
PRAGMA application_id = 1953655652;
PRAGMA user_version = 0;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE TABLE source (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    consent INTEGER NOT NULL,
    returns_profile INTEGER NOT NULL,
    permanent_profile_id INTEGER NOT NULL,
    origins TEXT NOT NULL,
    rate_limit REAL,
    tags TEXT NOT NULL,
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE TABLE profile (
    id TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    doc TEXT NOT NULL
, last_event INTEGER, remembered INTEGER NOT NULL DEFAULT 0, reevaluated TEXT);
CREATE TABLE merged (
    id TEXT PRIMARY KEY,
    into_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    profile_id TEXT NOT NULL,
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL,
    context TEXT NOT NULL,
    properties TEXT NOT NULL
);
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    profile_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    type TEXT NOT NULL,
    created TEXT NOT NULL,
    inserted TEXT NOT NULL,
    status TEXT NOT NULL,
    ip TEXT,
    properties TEXT NOT NULL,
    context TEXT NOT NULL,
    config TEXT NOT NULL,
    tags TEXT NOT NULL
, reasons TEXT, previous INTEGER);
CREATE TABLE event_id (
    profile_id TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER,
    PRIMARY KEY (profile_id, id)
) WITHOUT ROWID;
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    beats INTEGER NOT NULL
);
CREATE TABLE sources_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);
CREATE TABLE erased (
    hash TEXT PRIMARY KEY,
    erased TEXT NOT NULL
) WITHOUT ROWID
;
CREATE TABLE token (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    inserted TEXT NOT NULL
, expires TEXT, used TEXT);
CREATE TABLE tokens_made (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
CREATE TABLE event_numbers (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    used_up_to INTEGER NOT NULL
);
CREATE TABLE job (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER,
    position TEXT NOT NULL DEFAULT '{}',
    result TEXT NOT NULL DEFAULT '{}',
    inserted TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE TABLE pii (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    profile_id TEXT NOT NULL,
    PRIMARY KEY (name, value, profile_id)
) WITHOUT ROWID;
INSERT INTO _sqlite_migrations VALUES (1, 'trackd', 'first_tables', '2026-11-29 11:07:25.316217+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'trackd', 'reasons_of_invalid_events', '2026-11-29 11:07:25.317830+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'trackd', 'chain_of_each_profiles_events', '2026-11-29 11:07:25.320137+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'trackd', 'tombstones_of_erased_profiles', '2026-11-29 11:07:25.320384+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'trackd', 'tokens', '2026-11-29 11:07:25.321805+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'trackd', 'what_a_server_remembers_of_profiles', '2026-11-29 11:07:25.323073+00:00');
INSERT INTO _sqlite_migrations VALUES (7, 'trackd', 'canonical_origins_of_sources', '2026-11-29 11:07:25.324533+00:00');
INSERT INTO _sqlite_migrations VALUES (8, 'trackd', 'numbers_that_are_never_given_twice', '2026-11-29 11:07:25.324810+00:00');
INSERT INTO _sqlite_migrations VALUES (9, 'trackd', 'index_of_late_events', '2026-11-29 11:07:25.324989+00:00');
INSERT INTO _sqlite_migrations VALUES (10, 'trackd', 'times_of_reevaluations', '2026-11-29 11:07:25.326356+00:00');
INSERT INTO _sqlite_migrations VALUES (11, 'trackd', 'jobs', '2026-11-29 11:07:25.326564+00:00');
INSERT INTO _sqlite_migrations VALUES (12, 'trackd', 'personal_data_by_value', '2026-11-29 11:07:25.636384+00:00');
INSERT INTO _sqlite_migrations VALUES (13, 'trackd', 'expiry_and_use_of_tokens', '2026-11-29 11:07:25.637060+00:00');
INSERT INTO source VALUES ('shop', 'Shop', '', 1, 0, 0, 0, '[]', NULL, '[]', '2026-11-29T11:07:25.947664Z', '2026-11-29T11:07:25.947664Z');
INSERT INTO profile VALUES ('01a226fd-1cca-7134-9965-726598987c91', 5, 4, '{"id":"01a226fd-1cca-7134-9965-726598987c91","seq":5,"metadata":{"time":{"insert":"2026-11-29T11:07:31.913252Z","update":"2026-11-29T11:07:31.999203Z","visit":{"count":3,"last":"2026-11-29T11:07:31.982223Z","current":"2026-11-29T11:07:31.999203Z"}},"consents":[{"id":"marketing","change":"granted","time":"2026-11-29T11:07:31.999203Z"}]},"stats":{"visits":3,"views":2,"counters":{"page-view":2,"sign-up":1,"order":1,"consent-granted":1}},"traits":{"public":{"plan":"pro"},"private":{"signed_up":"2026-11-29T11:07:31.913252Z"}},"pii":{"email":"ann@example.com","name":"Ann"},"consents":{"marketing":{"granted":"2026-11-29T11:07:31.999203Z"}},"segments":[],"interests":{},"ids":[],"active":true}', 8, 2200706341033956389, NULL);
INSERT INTO profile VALUES ('01a226fd-1d24-7607-a266-5ac68cc9d32a', 0, 1, '{"id":"01a226fd-1d24-7607-a266-5ac68cc9d32a","seq":0,"metadata":{"time":{"insert":"2026-11-29T11:07:32.004159Z","update":"2026-11-29T11:07:32.004159Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:32.004159Z"}}},"stats":{"visits":1,"views":0,"counters":{}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', NULL, 0, NULL);
INSERT INTO profile VALUES ('01a226fd-1d60-7727-a0e3-14a8d76a766d', 1, 1, '{"id":"01a226fd-1d60-7727-a0e3-14a8d76a766d","seq":1,"metadata":{"time":{"insert":"2026-11-29T11:07:32.064078Z","update":"2026-11-29T11:07:32.064078Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:32.064078Z"}}},"stats":{"visits":1,"views":1,"counters":{"page-view":1}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', 9, 133401674848210192, NULL);
INSERT INTO session VALUES ('s-1', '01a226fd-1cca-7134-9965-726598987c91', '2026-11-29T11:07:31.913252Z', '2026-11-29T11:07:31.971565Z', '{"page":{"title":"Grüße ✓"}}', '{}');
INSERT INTO session VALUES ('s-2', '01a226fd-1cca-7134-9965-726598987c91', '2026-11-29T11:07:31.982223Z', '2026-11-29T11:07:31.982223Z', '{}', '{}');
INSERT INTO session VALUES ('s-4', '01a226fd-1cca-7134-9965-726598987c91', '2026-11-29T11:07:31.999203Z', '2026-11-29T11:07:31.999203Z', '{}', '{}');
INSERT INTO session VALUES ('s-5', '01a226fd-1d24-7607-a266-5ac68cc9d32a', '2026-11-29T11:07:32.004159Z', '2026-11-29T11:07:32.004159Z', '{}', '{}');
INSERT INTO session VALUES ('s-6', '01a226fd-1d60-7727-a0e3-14a8d76a766d', '2026-11-29T11:07:32.064078Z', '2026-11-29T11:07:32.064078Z', '{}', '{}');
INSERT INTO event VALUES (1, '01a226fd-1cc9-74cd-bc1a-045652a6a301', '01a226fd-1cca-7134-9965-726598987c91', 1, 's-1', 'shop', 'page-view', '2026-11-29T11:07:31.913252Z', '2026-11-29T11:07:31.913252Z', 'collected', '127.0.0.1', '{"url":"https://shop.example/"}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event VALUES (2, 'e-1', '01a226fd-1cca-7134-9965-726598987c91', 2, 's-1', 'shop', 'sign-up', '2026-11-29T11:07:31.913252Z', '2026-11-29T11:07:31.913252Z', 'collected', '127.0.0.1', '{"email":"ann@example.com","name":"Ann","traits":{"plan":"pro"}}', '{}', '{}', '[]', NULL, 1);
INSERT INTO event VALUES (3, 'e-2', '01a226fd-1cca-7134-9965-726598987c91', 3, 's-1', 'shop', 'page-view', '2026-11-29T11:07:31.971565Z', '2026-11-29T11:07:31.971565Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, 2);
INSERT INTO event VALUES (4, '01a226fd-1d0e-714a-b4d7-54f203b1e827', '01a226fd-1cca-7134-9965-726598987c91', 4, 's-2', 'shop', 'order', '2024-03-01T10:00:00.000000Z', '2026-11-29T11:07:31.982223Z', 'collected', '127.0.0.1', '{"total":12345678901234567890}', '{}', '{}', '[]', NULL, 3);
INSERT INTO event VALUES (8, '01a226fd-1d1f-70df-b404-da3af3a53ead', '01a226fd-1cca-7134-9965-726598987c91', 5, 's-4', 'shop', 'consent-granted', '2026-11-29T11:07:31.999203Z', '2026-11-29T11:07:31.999203Z', 'validated', '127.0.0.1', '{"marketing":true}', '{}', '{}', '[]', NULL, 4);
INSERT INTO event VALUES (9, '01a226fd-1d60-7727-a0e3-14a76510602e', '01a226fd-1d60-7727-a0e3-14a8d76a766d', 1, 's-6', 'shop', 'page-view', '2026-11-29T11:07:32.064078Z', '2026-11-29T11:07:32.064078Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event_id VALUES ('01a226fd-1cca-7134-9965-726598987c91', 'e-1', 2);
INSERT INTO event_id VALUES ('01a226fd-1cca-7134-9965-726598987c91', 'e-2', 3);
INSERT INTO heartbeat VALUES (1, 0);
INSERT INTO sources_version VALUES (1, 1);
INSERT INTO erased VALUES ('2ce50897bf000f8407672d49df55661b5cddca9ae38f773eee79279579568f39', '2026-11-29T11:07:32.009934Z');
INSERT INTO token VALUES ('first token', '95a90f19e0a4d84943576772eab3aea1a83389d960d2e99a75c585ab9bb565d4', 'admin', '2026-11-29T11:07:29.846648Z', NULL, '2026-11-29T11:07:32.007641Z');
INSERT INTO tokens_made VALUES (1, 1);
INSERT INTO event_numbers VALUES (1, 0);
INSERT INTO pii VALUES ('["email"]', 'ann@example.com', '01a226fd-1cca-7134-9965-726598987c91');
INSERT INTO pii VALUES ('["name"]', 'ann', '01a226fd-1cca-7134-9965-726598987c91');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE TRIGGER source_INSERT AFTER INSERT ON source
BEGIN
    UPDATE sources_version SET version = version + 1;
END;
CREATE TRIGGER source_UPDATE AFTER UPDATE ON source
BEGIN
    UPDATE sources_version SET version = version + 1;
END;
CREATE TRIGGER source_DELETE AFTER DELETE ON source
BEGIN
    UPDATE sources_version SET version = version + 1;
END;
CREATE INDEX event_by_id ON event (id);
CREATE INDEX session_by_profile ON session (profile_id);
CREATE TRIGGER token_made AFTER INSERT ON token
BEGIN
    UPDATE tokens_made SET number = number + 1;
END;
CREATE TRIGGER event_deleted AFTER DELETE ON event
WHEN OLD.number > (SELECT used_up_to FROM event_numbers)
AND NOT EXISTS (SELECT 1 FROM event WHERE number > OLD.number)
BEGIN
    UPDATE event_numbers SET used_up_to = OLD.number;
END;
CREATE INDEX event_by_created ON event (created) WHERE created <> inserted;
CREATE INDEX pii_by_profile ON pii (profile_id);
