-- A database as a server wrote it whose last migration was what_a_server_remembers_of_profiles. See test_upgrades.py.
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
, last_event INTEGER, remembered INTEGER NOT NULL DEFAULT 0);
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
);
CREATE TABLE tokens_made (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO _sqlite_migrations VALUES (1, 'trackd', 'first_tables', '2026-11-29 11:07:37.244973+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'trackd', 'reasons_of_invalid_events', '2026-11-29 11:07:37.245323+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'trackd', 'chain_of_each_profiles_events', '2026-11-29 11:07:37.245928+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'trackd', 'tombstones_of_erased_profiles', '2026-11-29 11:07:37.254337+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'trackd', 'tokens', '2026-11-29 11:07:37.255142+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'trackd', 'what_a_server_remembers_of_profiles', '2026-11-29 11:07:37.255517+00:00');
INSERT INTO source VALUES ('shop', 'Shop', '', 1, 0, 0, 0, '[]', NULL, '[]', '2026-11-29T11:07:37.271638Z', '2026-11-29T11:07:37.271638Z');
INSERT INTO profile VALUES ('01a226fd-5603-7043-a618-0934180f5ac3', 5, 4, '{"id":"01a226fd-5603-7043-a618-0934180f5ac3","seq":5,"metadata":{"time":{"insert":"2026-11-29T11:07:46.563194Z","update":"2026-11-29T11:07:46.627565Z","visit":{"count":3,"last":"2026-11-29T11:07:46.604433Z","current":"2026-11-29T11:07:46.627565Z"}},"consents":[{"id":"marketing","change":"granted","time":"2026-11-29T11:07:46.627565Z"}]},"stats":{"visits":3,"views":2,"counters":{"page-view":2,"sign-up":1,"order":1,"consent-granted":1}},"traits":{"public":{"plan":"pro"},"private":{"signed_up":"2026-11-29T11:07:46.563194Z"}},"pii":{"email":"ann@example.com","name":"Ann"},"consents":{"marketing":{"granted":"2026-11-29T11:07:46.627565Z"}},"segments":[],"interests":{},"ids":[],"active":true}', 8, 8728277713837156348);
INSERT INTO profile VALUES ('01a226fd-5653-77cb-b471-28ffe6dd5dd2', 0, 1, '{"id":"01a226fd-5653-77cb-b471-28ffe6dd5dd2","seq":0,"metadata":{"time":{"insert":"2026-11-29T11:07:46.643466Z","update":"2026-11-29T11:07:46.643466Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:46.643466Z"}}},"stats":{"visits":1,"views":0,"counters":{}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', NULL, 0);
INSERT INTO profile VALUES ('01a226fd-569a-77f0-bb7b-68907d1519bd', 1, 1, '{"id":"01a226fd-569a-77f0-bb7b-68907d1519bd","seq":1,"metadata":{"time":{"insert":"2026-11-29T11:07:46.714559Z","update":"2026-11-29T11:07:46.714559Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:46.714559Z"}}},"stats":{"visits":1,"views":1,"counters":{"page-view":1}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', 9, 2909816150332050408);
INSERT INTO session VALUES ('s-1', '01a226fd-5603-7043-a618-0934180f5ac3', '2026-11-29T11:07:46.563194Z', '2026-11-29T11:07:46.596014Z', '{"page":{"title":"Grüße ✓"}}', '{}');
INSERT INTO session VALUES ('s-2', '01a226fd-5603-7043-a618-0934180f5ac3', '2026-11-29T11:07:46.604433Z', '2026-11-29T11:07:46.604433Z', '{}', '{}');
INSERT INTO session VALUES ('s-4', '01a226fd-5603-7043-a618-0934180f5ac3', '2026-11-29T11:07:46.627565Z', '2026-11-29T11:07:46.627565Z', '{}', '{}');
INSERT INTO session VALUES ('s-5', '01a226fd-5653-77cb-b471-28ffe6dd5dd2', '2026-11-29T11:07:46.643466Z', '2026-11-29T11:07:46.643466Z', '{}', '{}');
INSERT INTO session VALUES ('s-6', '01a226fd-569a-77f0-bb7b-68907d1519bd', '2026-11-29T11:07:46.714559Z', '2026-11-29T11:07:46.714559Z', '{}', '{}');
INSERT INTO event VALUES (1, '01a226fd-5603-7043-a618-09335e59a71b', '01a226fd-5603-7043-a618-0934180f5ac3', 1, 's-1', 'shop', 'page-view', '2026-11-29T11:07:46.563194Z', '2026-11-29T11:07:46.563194Z', 'collected', '127.0.0.1', '{"url":"https://shop.example/"}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event VALUES (2, 'e-1', '01a226fd-5603-7043-a618-0934180f5ac3', 2, 's-1', 'shop', 'sign-up', '2026-11-29T11:07:46.563194Z', '2026-11-29T11:07:46.563194Z', 'collected', '127.0.0.1', '{"email":"ann@example.com","name":"Ann","traits":{"plan":"pro"}}', '{}', '{}', '[]', NULL, 1);
INSERT INTO event VALUES (3, 'e-2', '01a226fd-5603-7043-a618-0934180f5ac3', 3, 's-1', 'shop', 'page-view', '2026-11-29T11:07:46.596014Z', '2026-11-29T11:07:46.596014Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, 2);
INSERT INTO event VALUES (4, '01a226fd-562c-757b-a8b1-ef72a3519d8d', '01a226fd-5603-7043-a618-0934180f5ac3', 4, 's-2', 'shop', 'order', '2024-03-01T10:00:00.000000Z', '2026-11-29T11:07:46.604433Z', 'collected', '127.0.0.1', '{"total":12345678901234567890}', '{}', '{}', '[]', NULL, 3);
INSERT INTO event VALUES (8, '01a226fd-5643-72e6-aa28-e9bf08adbb9f', '01a226fd-5603-7043-a618-0934180f5ac3', 5, 's-4', 'shop', 'consent-granted', '2026-11-29T11:07:46.627565Z', '2026-11-29T11:07:46.627565Z', 'validated', '127.0.0.1', '{"marketing":true}', '{}', '{}', '[]', NULL, 4);
INSERT INTO event VALUES (9, '01a226fd-569a-77f0-bb7b-688f194109b8', '01a226fd-569a-77f0-bb7b-68907d1519bd', 1, 's-6', 'shop', 'page-view', '2026-11-29T11:07:46.714559Z', '2026-11-29T11:07:46.714559Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event_id VALUES ('01a226fd-5603-7043-a618-0934180f5ac3', 'e-1', 2);
INSERT INTO event_id VALUES ('01a226fd-5603-7043-a618-0934180f5ac3', 'e-2', 3);
INSERT INTO heartbeat VALUES (1, 0);
INSERT INTO sources_version VALUES (1, 1);
INSERT INTO erased VALUES ('3a1d2a562ccba97da7567ecf0e01b004b36084d75cc1a5ed534fc088cbf2b12c', '2026-11-29T11:07:46.651945Z');
INSERT INTO token VALUES ('first token', '0c08db3bcb53c60242287ff1211fbf6a988e5541da89dbd9686d2dc41f6f1b52', 'admin', '2026-11-29T11:07:43.672935Z');
INSERT INTO tokens_made VALUES (1, 1);
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
