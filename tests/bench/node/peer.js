// The peer `node`: what a Node developer would write. Fastify validates the payload with its JSON Schema, better-sqlite3
// commits it in a synchronous transaction for each call (WAL, synchronous = FULL).
// `DB=node.db PORT=8080 node peer.js` runs it, where NODE_PATH leads to the packages of package.json.
const { randomUUID } = require("node:crypto");
const Database = require("better-sqlite3");
const Fastify = require("fastify");

const db = new Database(process.env.DB);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = FULL");
db.exec(`
  create table if not exists profile(id text primary key, seq integer not null, doc text not null);
  create table if not exists session(id text primary key, profile text not null, time double precision, context text);
  create table if not exists event(id text primary key, profile text not null, session text not null, source text,
    seq integer not null, type text, time double precision, properties text, context text, unique(profile, seq));
`);
const profileOfSession = db.prepare("select profile from session where id = ?").pluck();
const findProfile = db.prepare("select seq, doc from profile where id = ?");
const putProfile = db.prepare(
  "insert into profile values(?, ?, ?) on conflict(id) do update set seq = excluded.seq, doc = excluded.doc",
);
const putSession = db.prepare(
  "insert into session values(?, ?, ?, ?) on conflict(id) do update set time = excluded.time",
);
const putEvent = db.prepare("insert into event values(?, ?, ?, ?, ?, ?, ?, ?, ?)");

const write = db.transaction((payload) => {
  const { session, source, events } = payload;
  const now = Date.now() / 1000;
  const profileId = profileOfSession.get(session.id) ?? payload.profile?.id ?? randomUUID();
  const row = findProfile.get(profileId);
  const doc = row ? JSON.parse(row.doc) : { views: 0 };
  let seq = row ? row.seq : 0;
  for (const event of events) {
    seq += 1;
    const properties = JSON.stringify(event.properties ?? {});
    const context = JSON.stringify(event.context ?? {});
    putEvent.run(randomUUID(), profileId, session.id, source.id, seq, event.type, now, properties, context);
  }
  doc.views += events.length;
  putProfile.run(profileId, seq, JSON.stringify(doc));
  putSession.run(session.id, profileId, now, JSON.stringify(payload.context ?? {}));
  return profileId;
});

const reference = { type: "object", required: ["id"], properties: { id: { type: "string" } } };
const object = { type: "object" };
const event = {
  type: "object",
  required: ["type"],
  properties: { type: { type: "string" }, properties: object, options: object, context: object },
};
const body = {
  type: "object",
  required: ["source", "session", "events"],
  properties: {
    source: reference,
    session: reference,
    profile: { ...reference, nullable: true },
    events: { type: "array", items: event },
    context: object,
    properties: object,
    options: object,
  },
};

const app = Fastify({ bodyLimit: 1024 * 1024, trustProxy: "127.0.0.1" });
app.post("/track", { schema: { body } }, async (request) => {
  return { profile: { id: write.immediate(request.body) }, source: { consent: false } };
});
app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
