// The view Live: follows the feed from the position at which the page was made, and adds a row for each record.

const MOST_ROWS = 300;
const AT_ONCE = 20; // rows: when more come in a quarter of a second, only some of them are shown
const A_SECOND = 80;
const EVERY_MS = 100; // between two changes of the list
const NUMBER_MS = 1_000; // between two changes of the number of those that are shown
const CALM_MS = 2_000; // without a choice, all are shown again
const HIDDEN_MS = 30_000; // a page that is hidden for longer leaves its connection to others
const LATE_MS = 10_000; // a list that is so far behind, and cannot show all, goes on at the newest events
const RETRY_MS = 1_000;
const MOST_RETRY_MS = 15_000;
const MOST_TEXT = 200; // characters
const MOST_ID = 12;
const NEW = 5; // rows: so few are marked as new
const EVENT = '{"kind":"event"'; // how the record of an event begins
const ACCEPTED = "200";
const INVALID = "invalid";

const live = document.getElementById("live");
const list = document.getElementById("rows");
const columns = live.querySelector(".columns");
const empty = document.getElementById("empty");
const older = document.getElementById("older");
const state = document.getElementById("state");
const number = document.getElementById("number");
const pause = document.getElementById("pause");
const filter = document.getElementById("filter").elements;

let cursor = live.dataset.cursor; // of the last record that came
let feed = null;
let waiting = []; // records that came and are not shown yet, the oldest first
let isPaused = false;
let isStale = false; // too much came meanwhile: the list has to be loaded again
let isConnected = true; // until it turns out not to be
let isLoading = false;
let retryMs = RETRY_MS;
let retryTimer, showTimer, hiddenTimer, calmTimer;
let shownAt = 0;
let allowance = AT_ONCE; // rows that may be added now
let came = 0; // since the last change of the number
let added = 0;
let numberAt = 0;
let known = new Set(); // the rows of the page that the feed may bring once more
let aheadMs = Date.now() - Date.parse(live.dataset.now); // this browser's clock, of the server's
let wentOnAt = -LATE_MS;
let day = ""; // of the times that are shown without their date

const isHeld = () => isPaused || document.hidden;
const keyOf = (row) => JSON.stringify([row.dataset.profile, row.dataset.key]);
const rememberRows = () => (known = new Set([...list.children].map(keyOf)));

// Numbers keep their text where the browser can: others would be rounded.
const parse = JSON.rawJSON
  ? (text) => JSON.parse(text, (_, value, { source }) => (typeof value === "number" ? JSON.rawJSON(source) : value))
  : (text) => JSON.parse(text);

function address() {
  const query = new URLSearchParams(live.dataset.query);
  query.set("after", cursor);
  return `feed?${query}`;
}

// The connection

function follow() {
  leave();
  feed = new EventSource(address());
  feed.onopen = () => {
    retryMs = RETRY_MS;
    isConnected = true;
    report();
  };
  feed.onmessage = (message) => {
    cursor = message.lastEventId;
    receive(message.data);
  };
  feed.onerror = () => {
    isConnected = false;
    if (feed.readyState === EventSource.CLOSED) later(); // otherwise the browser itself connects again
    report();
  };
}

function leave() {
  clearTimeout(retryTimer);
  feed?.close();
  feed = null;
}

// Without a connection: until the list is wanted again.
function standStill() {
  leave();
  isStale = true;
  waiting = [];
}

function later() {
  leave();
  retryTimer = setTimeout(recover, retryMs);
  retryMs = Math.min(2 * retryMs, MOST_RETRY_MS);
}

async function recover() {
  if (isLoading) return;
  isLoading = true;
  clearTimeout(retryTimer);
  try {
    if (isStale) await loadAgain();
    else await ask();
  } catch {
    isConnected = false; // the server is away: it may come back
    later();
  } finally {
    isLoading = false;
    report();
  }
}

// A feed that failed does not show why: a request for its head does.
async function ask() {
  const answer = await fetch(address(), { method: "HEAD", headers: { accept: "text/event-stream" }, cache: "no-store" });
  if (hasEnded(answer)) return;
  if (answer.status === 410) return loadAgain(); // the records that follow are lost
  if (!answer.ok) throw new Error(`the feed answers ${answer.status}`);
  follow();
}

async function loadAgain() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
  if (hasEnded(answer)) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const found = answer.ok ? page.getElementById("live") : null;
  if (found === null) throw new Error(`the page answers ${answer.status}`);
  const hadFocus = list.contains(document.activeElement);
  list.replaceChildren(...document.adoptNode(found.querySelector("#rows")).children);
  empty.replaceChildren(...document.adoptNode(found.querySelector("#empty")).childNodes);
  showList();
  if (hadFocus) list.focus({ preventScroll: true });
  const link = found.querySelector("#older");
  older.hidden = link.hidden;
  older.textContent = link.textContent;
  older.setAttribute("href", link.getAttribute("href"));
  cursor = found.dataset.cursor;
  aheadMs = Date.now() - Date.parse(found.dataset.now);
  rememberRows();
  waiting = [];
  isStale = false;
  follow();
}

// The page that asks for a token shows why, by what is behind the `#`.
function hasEnded(answer) {
  const ended = answer.status === 401 || answer.status === 404;
  if (answer.status === 401) history.replaceState(null, "", "#ended");
  if (ended) location.reload();
  return ended;
}

// The rows

function receive(record) {
  waiting.push(record);
  if (!isHeld()) {
    showTimer ??= setTimeout(show, Math.max(0, shownAt + EVERY_MS - performance.now()));
    return;
  }
  if (waiting.length > MOST_ROWS) standStill();
  if (isPaused) number.textContent = isStale ? `more than ${MOST_ROWS} new ones` : `${waiting.length} new`;
}

function show(most = AT_ONCE) {
  clearTimeout(showTimer);
  showTimer = undefined;
  if (isHeld()) return; // they wait on
  const now = performance.now();
  allowance = most > AT_ONCE ? most : Math.min(most, allowance + ((now - shownAt) * A_SECOND) / 1_000);
  shownAt = now;
  const records = waiting;
  waiting = [];
  const chosen = sample(records, Math.max(1, Math.floor(allowance)));
  if (chosen.length < records.length && isLate(records.at(-1))) return goOn();
  allowance = Math.max(0, allowance - chosen.length);
  const rows = chosen.map(rowOf).filter((row) => row !== null);
  if (rows.length <= NEW) for (const row of rows) row.className = "new";
  list.prepend(...rows.reverse());
  rows.filter((row) => row.dataset.hash).forEach(removeErased);
  trim();
  showDates();
  showList();
  count(records.length, chosen.length);
}

// One event of several, the last one among them, and all other records: these are rarer, and people look for them.
function sample(records, most) {
  const step = Math.ceil(records.length / most);
  if (step === 1) return records;
  const last = records.length - 1;
  return records.filter((each, at) => (last - at) % step === 0 || !each.startsWith(EVENT)).slice(-MOST_ROWS);
}

// Behind a slow connection the records are of a time that has passed: what comes then is no live list.
function isLate(record) {
  const found = parse(record);
  const time = found.metadata?.time.insert ?? found.time;
  return Date.now() - aheadMs - Date.parse(time) > LATE_MS && performance.now() - wentOnAt > LATE_MS;
}

function goOn() {
  wentOnAt = performance.now();
  standStill();
  recover();
}

function rowOf(record) {
  const found = parse(record);
  if (found.kind === "erased") known.clear();
  const row = MAKERS[found.kind]?.(found) ?? null;
  return row === null || known.delete(keyOf(row)) ? null : row;
}

function eventRow(event) {
  const row = copyOf("event-row");
  setKey(row, event.id, event.profile.id, text(event.metadata.time.insert));
  setOwner(row, event.source.id, event.profile.id);
  fill(row, ".type", text(event.type));
  row.querySelector(".type").href = `event?${new URLSearchParams({ id: event.id, profile: event.profile.id })}`;
  const status = optionOf("status", event.metadata.status);
  setBadge(row, status?.text ?? event.metadata.status, status?.dataset.badge);
  fill(row, ".reasons", cut(items(event.metadata.reasons).map(text).join("; ")));
  const page = event.context?.page?.url;
  const members = Object.entries(event.properties ?? {});
  if (typeof page === "string" && page !== "") members.unshift(["page", page]);
  fill(row, ".contents", cut(members.map(([name, value]) => `${name}=${word(value)}`).join(" ")));
  return row;
}

function refusalRow(refusal) {
  const isRefused = text(refusal.status) !== ACCEPTED;
  if (!isRefused && refusal.reason === INVALID) return null; // the event is stored, and has a row
  const row = copyOf("refusal-row");
  setKey(row, text(refusal.number), refusal.profile?.id ?? "", text(refusal.time));
  setOwner(row, refusal.source?.id ?? "", refusal.profile?.id ?? "");
  fill(row, ".type", refusal.event.type || "unknown");
  row.querySelector(".type").classList.toggle("unknown", !refusal.event.type);
  setBadge(row, isRefused ? `refused ${text(refusal.status)}` : "dropped", isRefused ? "bad" : "warn");
  fill(row, ".reason", text(refusal.reason).replaceAll("_", " "));
  fill(row, ".faults", cut(items(refusal.faults).map(fault).join("; ")));
  const before = text(refusal.left_out);
  fill(row, ".more", before === "0" ? "" : `and ${before} before it for the same reason`);
  if (refusal.body) fill(row, "code", refusal.body);
  else row.querySelector("details").remove();
  return row;
}

function erasedRow(erasure) {
  const row = copyOf("erased-row");
  row.dataset.hash = erasure.id_hash;
  setTime(row, erasure.time);
  fill(row, "code", erasure.id_hash);
  return row;
}

const MAKERS = { event: eventRow, refusal: refusalRow, erased: erasedRow };
const copyOf = (id) => document.getElementById(id).content.querySelector("li").cloneNode(true);
const optionOf = (name, value) => (value === "" ? undefined : [...filter[name].options].find((each) => each.value === value));
const fill = (row, part, content) => (row.querySelector(part).textContent = content);
const items = (value) => (Array.isArray(value) ? value : []);
const fault = ({ loc, msg }) => (items(loc).length ? `${loc.map(text).join(".")}: ${msg}` : (msg ?? ""));

function setKey(row, key, profile, time) {
  row.dataset.key = key;
  row.dataset.profile = profile;
  setTime(row, time);
}

function setOwner(row, source, profile) {
  fill(row, ".source .name", source === "" ? "unknown" : (optionOf("source", source)?.text ?? source));
  const link = row.querySelector(".profile a");
  if (profile === "") return link.replaceWith("none");
  link.textContent = profile.length <= MOST_ID ? profile : `${profile.slice(0, 4)}…${profile.slice(-7)}`;
  link.title = profile;
  link.href = `profile?id=${encodeURIComponent(profile)}`;
}

function setBadge(row, word, style) {
  fill(row, ".badge", word);
  row.querySelector(".badge").className = `badge ${style ?? ""}`;
}

function setTime(row, time) {
  const element = row.querySelector("time");
  element.dateTime = time;
  element.textContent = time.slice(0, 10) === day ? time.slice(11, 19) : time.slice(0, 19).replace("T", " ");
}

// The times of another day than the newest one are shown with their date.
function showDates() {
  const newest = list.querySelector("time")?.dateTime.slice(0, 10);
  if (newest === undefined || newest === day) return;
  day = newest;
  for (const row of list.children) setTime(row, row.querySelector("time").dateTime);
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// A text is shown without quotes where it is one word.
function word(value) {
  return typeof value === "string" && value !== "" && !/[\s"'=]/.test(value) ? value : JSON.stringify(value);
}

function cut(whole) {
  const characters = [...whole.slice(0, 2 * MOST_TEXT + 2)];
  return characters.length > MOST_TEXT ? `${characters.slice(0, MOST_TEXT - 1).join("")}…` : whole;
}

// The oldest rows are removed, but not the one that has the focus.
function trim() {
  let extra = list.children.length - MOST_ROWS;
  if (extra <= 0) return;
  for (const row of [...list.children].reverse()) {
    if (extra === 0) break;
    if (row.contains(document.activeElement)) continue;
    row.remove();
    extra -= 1;
  }
  older.hidden = false; // its address would leave out the rows that were removed
  older.textContent = "Load the list again, to get to older ones";
  older.setAttribute("href", `live${location.search}`);
}

// Removes the rows of an erased profile: those below the row of the erasure, for a profile with the same id may follow.
// The hash can be compared over https and on this machine; over plain http browsers have no SHA-256.
async function removeErased(erasure) {
  if (!crypto.subtle) return;
  for (const id of new Set([...list.children].map((row) => row.dataset.profile))) {
    if (!id) continue;
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id)));
    if ([...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("") !== erasure.dataset.hash) continue;
    const rows = [...list.children];
    for (const row of rows.slice(rows.indexOf(erasure) + 1).filter((each) => each.dataset.profile === id)) {
      if (row.contains(document.activeElement)) list.focus({ preventScroll: true });
      row.remove();
    }
  }
}

function showList() {
  list.hidden = columns.hidden = list.children.length === 0;
  empty.hidden = !list.hidden;
}

// What the page shows about itself

function count(records, rows) {
  came += records;
  added += rows;
  if (records > rows) {
    clearTimeout(calmTimer);
    calmTimer = setTimeout(calm, CALM_MS);
    report();
  }
  const now = performance.now();
  if (calmTimer !== undefined && number.textContent !== "" && now - numberAt < NUMBER_MS) return;
  if (calmTimer !== undefined) number.textContent = `showing 1 of ${Math.max(2, Math.round(came / added))}`;
  numberAt = now;
  came = added = 0;
}

function calm() {
  calmTimer = undefined;
  if (!isPaused) number.textContent = "";
  report();
}

// A screen reader reads it aloud: it changes seldom.
function report() {
  let now = "New events appear by themselves.";
  if (calmTimer !== undefined) now = "Many events come: only some are shown.";
  if (!isConnected) now = "Not connected: trying again.";
  if (isPaused) now = "Paused.";
  if (state.textContent !== now) state.textContent = now;
  state.toggleAttribute("data-on", isConnected && !isPaused);
}

function resume() {
  if (!isHeld()) {
    if (!isPaused && calmTimer === undefined) number.textContent = "";
    if (isStale) recover();
    else if (waiting.length > 0) show(MOST_ROWS);
  }
  report();
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Continue" : "Pause";
  number.textContent = "";
  resume();
});

function seen() {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(standStill, HIDDEN_MS);
  else resume();
}

document.addEventListener("visibilitychange", seen);

// A page that comes back from the history of the browser.
addEventListener("pagehide", standStill);
addEventListener("pageshow", (event) => event.persisted && resume());

rememberRows();
showDates();
follow();
if (document.hidden) seen();
