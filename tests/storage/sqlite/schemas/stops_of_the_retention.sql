-- A database as a server wrote it whose last migration was stops_of_the_retention. See test_upgrades.py.
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
CREATE TABLE retention (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    stopped_after TEXT,
    confirmed TEXT
);
INSERT INTO _sqlite_migrations VALUES (1, 'trackd', 'first_tables', '2026-11-29 11:08:00.657894+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'trackd', 'reasons_of_invalid_events', '2026-11-29 11:08:00.670792+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'trackd', 'chain_of_each_profiles_events', '2026-11-29 11:08:00.671980+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'trackd', 'tombstones_of_erased_profiles', '2026-11-29 11:08:00.672352+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'trackd', 'tokens', '2026-11-29 11:08:00.672810+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'trackd', 'what_a_server_remembers_of_profiles', '2026-11-29 11:08:00.674937+00:00');
INSERT INTO _sqlite_migrations VALUES (7, 'trackd', 'canonical_origins_of_sources', '2026-11-29 11:08:00.675150+00:00');
INSERT INTO _sqlite_migrations VALUES (8, 'trackd', 'numbers_that_are_never_given_twice', '2026-11-29 11:08:00.675535+00:00');
INSERT INTO _sqlite_migrations VALUES (9, 'trackd', 'index_of_late_events', '2026-11-29 11:08:00.675815+00:00');
INSERT INTO _sqlite_migrations VALUES (10, 'trackd', 'times_of_reevaluations', '2026-11-29 11:08:00.676284+00:00');
INSERT INTO _sqlite_migrations VALUES (11, 'trackd', 'jobs', '2026-11-29 11:08:00.676653+00:00');
INSERT INTO _sqlite_migrations VALUES (12, 'trackd', 'personal_data_by_value', '2026-11-29 11:08:00.771839+00:00');
INSERT INTO _sqlite_migrations VALUES (13, 'trackd', 'expiry_and_use_of_tokens', '2026-11-29 11:08:00.773113+00:00');
INSERT INTO _sqlite_migrations VALUES (14, 'trackd', 'stops_of_the_retention', '2026-11-29 11:08:00.773566+00:00');
INSERT INTO source VALUES ('shop', 'Shop', '', 1, 0, 0, 0, '[]', NULL, '[]', '2026-11-29T11:08:00.810319Z', '2026-11-29T11:08:00.810319Z');
INSERT INTO profile VALUES ('01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 5, 4, '{"id":"01a226fd-9fbf-733a-a0da-b25f66ecf0c5","seq":5,"metadata":{"time":{"insert":"2026-11-29T11:08:05.438937Z","update":"2026-11-29T11:08:05.490617Z","visit":{"count":3,"last":"2026-11-29T11:08:05.478596Z","current":"2026-11-29T11:08:05.490617Z"}},"consents":[{"id":"marketing","change":"granted","time":"2026-11-29T11:08:05.490617Z"}]},"stats":{"visits":3,"views":2,"counters":{"page-view":2,"sign-up":1,"order":1,"consent-granted":1}},"traits":{"public":{"plan":"pro"},"private":{"signed_up":"2026-11-29T11:08:05.438937Z"}},"pii":{"email":"ann@example.com","name":"Ann"},"consents":{"marketing":{"granted":"2026-11-29T11:08:05.490617Z"}},"segments":[],"interests":{},"ids":[],"active":true}', 8, 6303138098018125900, NULL);
INSERT INTO profile VALUES ('01a226fd-9ff8-7671-bd4f-acb067ffd8ed', 0, 1, '{"id":"01a226fd-9ff8-7671-bd4f-acb067ffd8ed","seq":0,"metadata":{"time":{"insert":"2026-11-29T11:08:05.495935Z","update":"2026-11-29T11:08:05.495935Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:08:05.495935Z"}}},"stats":{"visits":1,"views":0,"counters":{}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', NULL, 0, NULL);
INSERT INTO profile VALUES ('01a226fd-a01e-7497-a1a0-f705ef421ccb', 1, 1, '{"id":"01a226fd-a01e-7497-a1a0-f705ef421ccb","seq":1,"metadata":{"time":{"insert":"2026-11-29T11:08:05.534592Z","update":"2026-11-29T11:08:05.534592Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:08:05.534592Z"}}},"stats":{"visits":1,"views":1,"counters":{"page-view":1}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', 9, 3776415640663194269, NULL);
INSERT INTO session VALUES ('s-1', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', '2026-11-29T11:08:05.438937Z', '2026-11-29T11:08:05.462662Z', '{"page":{"title":"Grüße ✓"}}', '{}');
INSERT INTO session VALUES ('s-2', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', '2026-11-29T11:08:05.478596Z', '2026-11-29T11:08:05.478596Z', '{}', '{}');
INSERT INTO session VALUES ('s-4', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', '2026-11-29T11:08:05.490617Z', '2026-11-29T11:08:05.490617Z', '{}', '{}');
INSERT INTO session VALUES ('s-5', '01a226fd-9ff8-7671-bd4f-acb067ffd8ed', '2026-11-29T11:08:05.495935Z', '2026-11-29T11:08:05.495935Z', '{}', '{}');
INSERT INTO session VALUES ('s-6', '01a226fd-a01e-7497-a1a0-f705ef421ccb', '2026-11-29T11:08:05.534592Z', '2026-11-29T11:08:05.534592Z', '{}', '{}');
INSERT INTO event VALUES (1, '01a226fd-9fbf-733a-a0da-b25e4747a01f', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 1, 's-1', 'shop', 'page-view', '2026-11-29T11:08:05.438937Z', '2026-11-29T11:08:05.438937Z', 'collected', '127.0.0.1', '{"url":"https://shop.example/"}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event VALUES (2, 'e-1', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 2, 's-1', 'shop', 'sign-up', '2026-11-29T11:08:05.438937Z', '2026-11-29T11:08:05.438937Z', 'collected', '127.0.0.1', '{"email":"ann@example.com","name":"Ann","traits":{"plan":"pro"}}', '{}', '{}', '[]', NULL, 1);
INSERT INTO event VALUES (3, 'e-2', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 3, 's-1', 'shop', 'page-view', '2026-11-29T11:08:05.462662Z', '2026-11-29T11:08:05.462662Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, 2);
INSERT INTO event VALUES (4, '01a226fd-9fe6-7284-aa0b-e268dee68845', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 4, 's-2', 'shop', 'order', '2024-03-01T10:00:00.000000Z', '2026-11-29T11:08:05.478596Z', 'collected', '127.0.0.1', '{"total":12345678901234567890}', '{}', '{}', '[]', NULL, 3);
INSERT INTO event VALUES (8, '01a226fd-9ff2-71fd-8c07-c26580793250', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 5, 's-4', 'shop', 'consent-granted', '2026-11-29T11:08:05.490617Z', '2026-11-29T11:08:05.490617Z', 'validated', '127.0.0.1', '{"marketing":true}', '{}', '{}', '[]', NULL, 4);
INSERT INTO event VALUES (9, '01a226fd-a01e-7497-a1a0-f704c3a7a228', '01a226fd-a01e-7497-a1a0-f705ef421ccb', 1, 's-6', 'shop', 'page-view', '2026-11-29T11:08:05.534592Z', '2026-11-29T11:08:05.534592Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event_id VALUES ('01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 'e-1', 2);
INSERT INTO event_id VALUES ('01a226fd-9fbf-733a-a0da-b25f66ecf0c5', 'e-2', 3);
INSERT INTO heartbeat VALUES (1, 1);
INSERT INTO sources_version VALUES (1, 1);
INSERT INTO erased VALUES ('6f2aaacbdae57da8892a2e1c8af4613b15bf83339755c5c05a8d538b5b9a22f0', '2026-11-29T11:08:05.510480Z');
INSERT INTO token VALUES ('first token', '629d14968e3601de2d456b49d967232943d17682849f4cd4bedf6dae261b59c2', 'admin', '2026-11-29T11:08:04.721943Z', NULL, '2026-11-29T11:08:05.508419Z');
INSERT INTO tokens_made VALUES (1, 1);
INSERT INTO event_numbers VALUES (1, 0);
INSERT INTO pii VALUES ('["email"]', 'ann@example.com', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5');
INSERT INTO pii VALUES ('["name"]', 'ann', '01a226fd-9fbf-733a-a0da-b25f66ecf0c5');
INSERT INTO retention VALUES (1, NULL, NULL);
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
