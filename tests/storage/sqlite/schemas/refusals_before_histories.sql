-- A database as a server wrote it whose last migration was refusals_before_histories. See test_upgrades.py.
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
, reasons TEXT, previous INTEGER, rules TEXT);
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
, number INTEGER) WITHOUT ROWID
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
, deleted_up_to INTEGER NOT NULL DEFAULT 0);
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
, trusted TEXT);
CREATE TABLE login (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    inserted TEXT NOT NULL,
    expires TEXT NOT NULL,
    token_hash TEXT,
    is_link INTEGER NOT NULL
);
CREATE TABLE installation (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    page TEXT NOT NULL
);
CREATE TABLE refusal (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    status INTEGER NOT NULL,
    reason TEXT NOT NULL,
    source_id TEXT,
    network TEXT,
    event_type TEXT,
    event_id TEXT,
    profile_id TEXT,
    session_id TEXT,
    faults TEXT NOT NULL,
    body TEXT,
    left_out INTEGER NOT NULL
);
CREATE TABLE feed_history (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    begins_after INTEGER NOT NULL
, refusals_after INTEGER NOT NULL DEFAULT 0);
INSERT INTO _sqlite_migrations VALUES (1, 'trackd', 'first_tables', '2026-11-29 11:08:07.173111+00:00');
INSERT INTO _sqlite_migrations VALUES (2, 'trackd', 'reasons_of_invalid_events', '2026-11-29 11:08:07.173421+00:00');
INSERT INTO _sqlite_migrations VALUES (3, 'trackd', 'chain_of_each_profiles_events', '2026-11-29 11:08:07.174078+00:00');
INSERT INTO _sqlite_migrations VALUES (4, 'trackd', 'tombstones_of_erased_profiles', '2026-11-29 11:08:07.178570+00:00');
INSERT INTO _sqlite_migrations VALUES (5, 'trackd', 'tokens', '2026-11-29 11:08:07.178881+00:00');
INSERT INTO _sqlite_migrations VALUES (6, 'trackd', 'what_a_server_remembers_of_profiles', '2026-11-29 11:08:07.179175+00:00');
INSERT INTO _sqlite_migrations VALUES (7, 'trackd', 'canonical_origins_of_sources', '2026-11-29 11:08:07.179281+00:00');
INSERT INTO _sqlite_migrations VALUES (8, 'trackd', 'numbers_that_are_never_given_twice', '2026-11-29 11:08:07.179481+00:00');
INSERT INTO _sqlite_migrations VALUES (9, 'trackd', 'index_of_late_events', '2026-11-29 11:08:07.179659+00:00');
INSERT INTO _sqlite_migrations VALUES (10, 'trackd', 'times_of_reevaluations', '2026-11-29 11:08:07.179974+00:00');
INSERT INTO _sqlite_migrations VALUES (11, 'trackd', 'jobs', '2026-11-29 11:08:07.180150+00:00');
INSERT INTO _sqlite_migrations VALUES (12, 'trackd', 'personal_data_by_value', '2026-11-29 11:08:07.218461+00:00');
INSERT INTO _sqlite_migrations VALUES (13, 'trackd', 'expiry_and_use_of_tokens', '2026-11-29 11:08:07.219155+00:00');
INSERT INTO _sqlite_migrations VALUES (14, 'trackd', 'stops_of_the_retention', '2026-11-29 11:08:07.219356+00:00');
INSERT INTO _sqlite_migrations VALUES (15, 'trackd', 'trusted_times_of_the_retention', '2026-11-29 11:08:07.219651+00:00');
INSERT INTO _sqlite_migrations VALUES (16, 'trackd', 'logins_of_the_live_page', '2026-11-29 11:08:07.219869+00:00');
INSERT INTO _sqlite_migrations VALUES (17, 'trackd', 'refusals', '2026-11-29 11:08:07.220012+00:00');
INSERT INTO _sqlite_migrations VALUES (18, 'trackd', 'positions_of_erasures_and_histories', '2026-11-29 11:08:07.220606+00:00');
INSERT INTO _sqlite_migrations VALUES (19, 'trackd', 'rules_that_ran_for_events', '2026-11-29 11:08:07.220979+00:00');
INSERT INTO _sqlite_migrations VALUES (20, 'trackd', 'refusals_before_histories', '2026-11-29 11:08:07.221338+00:00');
INSERT INTO source VALUES ('shop', 'Shop', '', 1, 0, 0, 0, '[]', NULL, '[]', '2026-11-29T11:08:07.246295Z', '2026-11-29T11:08:07.246295Z');
INSERT INTO profile VALUES ('01a226fd-b767-73e7-bdec-12f6b27926ec', 5, 4, '{"id":"01a226fd-b767-73e7-bdec-12f6b27926ec","seq":5,"metadata":{"time":{"insert":"2026-11-29T11:08:11.495190Z","update":"2026-11-29T11:08:11.607756Z","visit":{"count":3,"last":"2026-11-29T11:08:11.538662Z","current":"2026-11-29T11:08:11.607756Z"}},"consents":[{"id":"marketing","change":"granted","time":"2026-11-29T11:08:11.607756Z"}]},"stats":{"visits":3,"views":2,"counters":{"page-view":2,"sign-up":1,"order":1,"consent-granted":1}},"traits":{"public":{"plan":"pro"},"private":{"signed_up":"2026-11-29T11:08:11.495190Z"}},"pii":{"email":"ann@example.com","name":"Ann"},"consents":{"marketing":{"granted":"2026-11-29T11:08:11.607756Z"}},"segments":[],"interests":{},"ids":[],"active":true}', 8, 3178385941363147581, NULL);
INSERT INTO profile VALUES ('01a226fd-b806-7418-b14c-ed8ce376a7e5', 0, 1, '{"id":"01a226fd-b806-7418-b14c-ed8ce376a7e5","seq":0,"metadata":{"time":{"insert":"2026-11-29T11:08:11.654477Z","update":"2026-11-29T11:08:11.654477Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:08:11.654477Z"}}},"stats":{"visits":1,"views":0,"counters":{}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', NULL, 0, NULL);
INSERT INTO profile VALUES ('01a226fd-b84e-72cc-9beb-25546339ed19', 1, 1, '{"id":"01a226fd-b84e-72cc-9beb-25546339ed19","seq":1,"metadata":{"time":{"insert":"2026-11-29T11:08:11.726306Z","update":"2026-11-29T11:08:11.726306Z","visit":{"count":1,"last":null,"current":"2026-11-29T11:08:11.726306Z"}}},"stats":{"visits":1,"views":1,"counters":{"page-view":1}},"traits":{"public":{},"private":{}},"pii":{},"consents":{},"segments":[],"interests":{},"ids":[],"active":true}', 10, 5300267513178527826, NULL);
INSERT INTO session VALUES ('s-1', '01a226fd-b767-73e7-bdec-12f6b27926ec', '2026-11-29T11:08:11.495190Z', '2026-11-29T11:08:11.523510Z', '{"page":{"title":"Grüße ✓"}}', '{}');
INSERT INTO session VALUES ('s-2', '01a226fd-b767-73e7-bdec-12f6b27926ec', '2026-11-29T11:08:11.538662Z', '2026-11-29T11:08:11.538662Z', '{}', '{}');
INSERT INTO session VALUES ('s-4', '01a226fd-b767-73e7-bdec-12f6b27926ec', '2026-11-29T11:08:11.607756Z', '2026-11-29T11:08:11.607756Z', '{}', '{}');
INSERT INTO session VALUES ('s-5', '01a226fd-b806-7418-b14c-ed8ce376a7e5', '2026-11-29T11:08:11.654477Z', '2026-11-29T11:08:11.654477Z', '{}', '{}');
INSERT INTO session VALUES ('s-6', '01a226fd-b84e-72cc-9beb-25546339ed19', '2026-11-29T11:08:11.726306Z', '2026-11-29T11:08:11.726306Z', '{}', '{}');
INSERT INTO event VALUES (1, '01a226fd-b767-73e7-bdec-12f52ab1119d', '01a226fd-b767-73e7-bdec-12f6b27926ec', 1, 's-1', 'shop', 'page-view', '2026-11-29T11:08:11.495190Z', '2026-11-29T11:08:11.495190Z', 'collected', '127.0.0.1', '{"url":"https://shop.example/"}', '{}', '{}', '[]', NULL, NULL, NULL);
INSERT INTO event VALUES (2, 'e-1', '01a226fd-b767-73e7-bdec-12f6b27926ec', 2, 's-1', 'shop', 'sign-up', '2026-11-29T11:08:11.495190Z', '2026-11-29T11:08:11.495190Z', 'collected', '127.0.0.1', '{"email":"ann@example.com","name":"Ann","traits":{"plan":"pro"}}', '{}', '{}', '[]', NULL, 1, '[{"id":"contact data","changed":["pii.email","pii.name","traits.public.plan"]},{"id":"sign-up","changed":["traits.private.signed_up"]}]');
INSERT INTO event VALUES (3, 'e-2', '01a226fd-b767-73e7-bdec-12f6b27926ec', 3, 's-1', 'shop', 'page-view', '2026-11-29T11:08:11.523510Z', '2026-11-29T11:08:11.523510Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, 2, NULL);
INSERT INTO event VALUES (4, '01a226fd-b792-7784-8741-a7098453c966', '01a226fd-b767-73e7-bdec-12f6b27926ec', 4, 's-2', 'shop', 'order', '2024-03-01T10:00:00.000000Z', '2026-11-29T11:08:11.538662Z', 'collected', '127.0.0.1', '{"total":12345678901234567890}', '{}', '{}', '[]', NULL, 3, NULL);
INSERT INTO event VALUES (8, '01a226fd-b7d7-7272-9f26-1b52fce50398', '01a226fd-b767-73e7-bdec-12f6b27926ec', 5, 's-4', 'shop', 'consent-granted', '2026-11-29T11:08:11.607756Z', '2026-11-29T11:08:11.607756Z', 'validated', '127.0.0.1', '{"marketing":true}', '{}', '{}', '[]', NULL, 4, '[{"id":"consents granted","changed":["consents.marketing"]}]');
INSERT INTO event VALUES (10, '01a226fd-b84e-72cc-9beb-25531c2f81df', '01a226fd-b84e-72cc-9beb-25546339ed19', 1, 's-6', 'shop', 'page-view', '2026-11-29T11:08:11.726306Z', '2026-11-29T11:08:11.726306Z', 'collected', '127.0.0.1', '{}', '{}', '{}', '[]', NULL, NULL, NULL);
INSERT INTO event_id VALUES ('01a226fd-b767-73e7-bdec-12f6b27926ec', 'e-1', 2);
INSERT INTO event_id VALUES ('01a226fd-b767-73e7-bdec-12f6b27926ec', 'e-2', 3);
INSERT INTO heartbeat VALUES (1, 1);
INSERT INTO sources_version VALUES (1, 1);
INSERT INTO erased VALUES ('a9c9ecfb0b34ebd1e38094b5a880e1e74435b55e4e9864fd74e5c3429b700b26', '2026-11-29T11:08:11.682643Z', 9);
INSERT INTO token VALUES ('first token', '79e59af0b9ab34d31eda4af853def19f011e463fdfa21d0e15de681dc0c6e776', 'admin', '2026-11-29T11:08:10.995261Z', NULL, '2026-11-29T11:08:11.677947Z');
INSERT INTO tokens_made VALUES (1, 1);
INSERT INTO event_numbers VALUES (1, 9, 0);
INSERT INTO pii VALUES ('["email"]', 'ann@example.com', '01a226fd-b767-73e7-bdec-12f6b27926ec');
INSERT INTO pii VALUES ('["name"]', 'ann', '01a226fd-b767-73e7-bdec-12f6b27926ec');
INSERT INTO retention VALUES (1, NULL, NULL, NULL);
INSERT INTO login VALUES ('login-97c9aa03', '97c9aa038b0756074e7b5a93ac831b6053546a215fef49fdb78b44ec80939a65', 'admin', '2026-11-29T11:08:11.031392Z', '2026-11-29T11:38:11.031392Z', NULL, 1);
INSERT INTO installation VALUES (1, 2475043575, 'http://127.0.0.1:39303/ui/');
INSERT INTO feed_history VALUES (1, 'af7ef4f74b44289c', 0, 0);
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
CREATE UNIQUE INDEX erased_by_number ON erased (number) WHERE number IS NOT NULL;
