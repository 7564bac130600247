-- A database as a server wrote it whose last migration was personal_data_by_value. See test_upgrades.py.
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
);
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
INSERT INTO _sqlite_migrations VALUES (1, 'trackd', 'first_tables', '2026-11-29 11:07:50.831561+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'trackd', 'reasons_of_invalid_events', '2026-11-29 11:07:50.831883+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'trackd', 'chain_of_each_profiles_events', '2026-11-29 11:07:50.832433+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'trackd', 'tombstones_of_erased_profiles', '2026-11-29 11:07:50.832622+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'trackd', 'tokens', '2026-11-29 11:07:50.832867+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'trackd', 'what_a_server_remembers_of_profiles', '2026-11-29 11:07:50.833118+00:00');
INSERT INTO _sqlite_migrations VALUES (7, 'trackd', 'canonical_origins_of_sources', '2026-11-29 11:07:50.833217+00:00');
INSERT INTO _sqlite_migrations VALUES (8, 'trackd', 'numbers_that_are_never_given_twice', '2026-11-29 11:07:50.833451+00:00');
INSERT INTO _sqlite_migrations VALUES (9, 'trackd', 'index_of_late_events', '2026-11-29 11:07:50.833594+00:00');
INSERT INTO _sqlite_migrations VALUES (10, 'trackd', 'times_of_reevaluations', '2026-11-29 11:07:50.833859+00:00');
INSERT INTO _sqlite_migrations VALUES (11, 'trackd', 'jobs', '2026-11-29 11:07:50.834042+00:00');
INSERT INTO _sqlite_migrations VALUES (12, 'trackd', 'personal_data_by_value', '2026-11-29 11:07:50.882700+00:00');
INSERT INTO source VALUES ('shop', 'Shop', '', 1, 0, 0, 0, '[]', NULL, '[]', '2026-11-29T11:07:50.898862Z', '2026-11-29T11:07:50.898862Z');
INSERT INTO profile VALUES ('01a226fd-84a3-740a-affb-01fa773b4bce', 5, 4, '{"id":"01a226fd-84a3-740a-affb-01fa773b4bce","seq":5,"metadata":{"time":{"insert":"2026-11-29T11:07:58.499327Z","update":"2026-11-29T11:07:58.520796Z","visit":{"count":3,"last":"2026-11-29T11:07:58.511634Z","current":"2026-11-29T11:07:58.520796Z"}},"consents":[{"id":"marketing","change":"granted","time":"2026-11-29T11:07:58.520796Z"}]},"stats":{"visits":3,"views":2,"counters":{"page-view":2,"sign-up":1,"order":1,"consent-granted":1}},"traits":{"public":{"plan":"pro"},"private":{"signed_up":"2026-11-29T11:07:58.499327Z"}},"pii":{"email":"ann@example.com","name":"Ann"},"consents":{"marketing":{"granted":"2026-11-29T11:07:58.520796Z"}},"segments":[],"interests":{},"ids":[],"active":true}', 8, 484710678292113090, NULL);
INSERT INTO profile VALUES ('01a226fd-84c0-75b1-9814-eb231eed4a5a', 0, 1, '{"id":"01a226fd-84c0-75b1-9814-eb231eed4a5a","seq":0,"metadata":{"time":{"insert":"2026-11-29T11:07:58.528481Z","update":"2026-11-29T11:07:58.528481Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:58.528481Z"}}},"stats":{"visits":1,"views":0,"counters":{}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', NULL, 0, NULL);
INSERT INTO profile VALUES ('01a226fd-84d4-713b-9dfd-e21641ed7f5f', 1, 1, '{"id":"01a226fd-84d4-713b-9dfd-e21641ed7f5f","seq":1,"metadata":{"time":{"insert":"2026-11-29T11:07:58.548747Z","update":"2026-11-29T11:07:58.548747Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:07:58.548747Z"}}},"stats":{"visits":1,"views":1,"counters":{"page-view":1}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', 9, 7436996797863914290, NULL);
INSERT INTO session VALUES ('s-1', '01a226fd-84a3-740a-affb-01fa773b4bce', '2026-11-29T11:07:58.499327Z', '2026-11-29T11:07:58.509311Z', '{"page":{"title":"Grüße ✓"}}', '{}');
INSERT INTO session VALUES ('s-2', '01a226fd-84a3-740a-affb-01fa773b4bce', '2026-11-29T11:07:58.511634Z', '2026-11-29T11:07:58.511634Z', '{}', '{}');
INSERT INTO session VALUES ('s-4', '01a226fd-84a3-740a-affb-01fa773b4bce', '2026-11-29T11:07:58.520796Z', '2026-11-29T11:07:58.520796Z', '{}', '{}');
INSERT INTO session VALUES ('s-5', '01a226fd-84c0-75b1-9814-eb231eed4a5a', '2026-11-29T11:07:58.528481Z', '2026-11-29T11:07:58.528481Z', '{}', '{}');
INSERT INTO session VALUES ('s-6', '01a226fd-84d4-713b-9dfd-e21641ed7f5f', '2026-11-29T11:07:58.548747Z', '2026-11-29T11:07:58.548747Z', '{}', '{}');
INSERT INTO event VALUES (1, '01a226fd-84a3-740a-affb-01f9465f219b', '01a226fd-84a3-740a-affb-01fa773b4bce', 1, 's-1', 'shop', 'page-view', '2026-11-29T11:07:58.499327Z', '2026-11-29T11:07:58.499327Z', 'collected', '127.0.0.1', '{"url":"https://shop.example/"}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event VALUES (2, 'e-1', '01a226fd-84a3-740a-affb-01fa773b4bce', 2, 's-1', 'shop', 'sign-up', '2026-11-29T11:07:58.499327Z', '2026-11-29T11:07:58.499327Z', 'collected', '127.0.0.1', '{"email":"ann@example.com","name":"Ann","traits":{"plan":"pro"}}', '{}', '{}', '[]', NULL, 1);
INSERT INTO event VALUES (3, 'e-2', '01a226fd-84a3-740a-affb-01fa773b4bce', 3, 's-1', 'shop', 'page-view', '2026-11-29T11:07:58.509311Z', '2026-11-29T11:07:58.509311Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, 2);
INSERT INTO event VALUES (4, '01a226fd-84af-7310-b5c3-5a3dcbe90bf2', '01a226fd-84a3-740a-affb-01fa773b4bce', 4, 's-2', 'shop', 'order', '2024-03-01T10:00:00.000000Z', '2026-11-29T11:07:58.511634Z', 'collected', '127.0.0.1', '{"total":12345678901234567890}', '{}', '{}', '[]', NULL, 3);
INSERT INTO event VALUES (8, '01a226fd-84b8-74b2-b2a3-dd3522621eb5', '01a226fd-84a3-740a-affb-01fa773b4bce', 5, 's-4', 'shop', 'consent-granted', '2026-11-29T11:07:58.520796Z', '2026-11-29T11:07:58.520796Z', 'validated', '127.0.0.1', '{"marketing":true}', '{}', '{}', '[]', NULL, 4);
INSERT INTO event VALUES (9, '01a226fd-84d4-713b-9dfd-e215fb60932b', '01a226fd-84d4-713b-9dfd-e21641ed7f5f', 1, 's-6', 'shop', 'page-view', '2026-11-29T11:07:58.548747Z', '2026-11-29T11:07:58.548747Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, NULL);
INSERT INTO event_id VALUES ('01a226fd-84a3-740a-affb-01fa773b4bce', 'e-1', 2);
INSERT INTO event_id VALUES ('01a226fd-84a3-740a-affb-01fa773b4bce', 'e-2', 3);
INSERT INTO heartbeat VALUES (1, 0);
INSERT INTO sources_version VALUES (1, 1);
INSERT INTO erased VALUES ('e839c965903a04d88ea3d3488faa4606ecde549ae25c2d2f5085d340f9ce0239', '2026-11-29T11:07:58.539624Z');
INSERT INTO token VALUES ('first token', 'ac020b09878c7202b0c1871c50e97f0ec4525bf50fd64762bd791fa89351cc0a', 'admin', '2026-11-29T11:07:56.165114Z');
INSERT INTO tokens_made VALUES (1, 1);
INSERT INTO event_numbers VALUES (1, 0);
INSERT INTO pii VALUES ('["email"]', 'ann@example.com', '01a226fd-84a3-740a-affb-01fa773b4bce');
INSERT INTO pii VALUES ('["name"]', 'ann', '01a226fd-84a3-740a-affb-01fa773b4bce');
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
