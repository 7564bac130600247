// The view Live: follows the feed from the position at which the page was made, and adds a row for each record.

const MOST_ROWS = 300;
const AT_ONCE = 20; // rows: when more come in a quarter of a second, only some of them are shown
const A_SECOND = 80;
const EVERY_MS = 100; // between two changes of the table
const NUMBER_MS = 1_000; // between two changes of the number of those that are shown
const CALM_MS = 2_000; // without a choice, all are shown again
const HIDDEN_MS = 30_000; // a page that is hidden for longer leaves its connection to others
const RETRY_MS = 1_000;
const MOST_RETRY_MS = 15_000;
const MOST_TEXT = 200; // characters
const MOST_ID = 12;
const ERASED = '{"kind":"erased"'; // how the record of an erasure begins

const list = document.getElementById("live");
const region = document.getElementById("events");
const table = region.querySelector("tbody");
const empty = document.getElementById("empty");
const older = document.getElementById("older");
const state = document.getElementById("state");
const number = document.getElementById("number");
const pause = document.getElementById("pause");
const filter = document.getElementById("filter").elements;

let cursor = list.dataset.cursor; // of the last record that came
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
let known = new Set(); // the events of the page that the feed may bring once more

const isHeld = () => isPaused || document.hidden;
const keyOf = (profile, event) => JSON.stringify([profile, event]);
const rememberRows = () => (known = new Set([...table.rows].map((row) => keyOf(row.dataset.profile, row.dataset.id))));

// Numbers keep their text where the browser can: others would be rounded.
const parse = JSON.rawJSON
  ? (text) => JSON.parse(text, (_, value, { source }) => (typeof value === "number" ? JSON.rawJSON(source) : value))
  : (text) => JSON.parse(text);

function address() {
  const query = new URLSearchParams(list.dataset.query);
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
  const hadFocus = table.contains(document.activeElement);
  table.replaceChildren(...document.adoptNode(found.querySelector("tbody")).children);
  empty.replaceChildren(...document.adoptNode(found.querySelector("#empty")).childNodes);
  showTable();
  if (hadFocus) region.focus({ preventScroll: true });
  const link = found.querySelector("#older");
  older.hidden = link.hidden;
  older.textContent = link.textContent;
  older.setAttribute("href", link.getAttribute("href"));
  cursor = found.dataset.cursor;
  rememberRows();
  waiting = [];
  isStale = false;
  follow();
}

// The login has ended, for example: the page asks for another one.
function hasEnded(answer) {
  const ended = answer.status === 401 || answer.status === 404;
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
  const step = Math.ceil(records.length / Math.max(1, Math.floor(allowance)));
  const last = records.length - 1;
  const chosen = step > 1 ? records.filter((each, at) => (last - at) % step === 0 || each.startsWith(ERASED)) : records;
  allowance = Math.max(0, allowance - chosen.length);
  const rows = chosen.map(rowOf).filter((row) => row !== null);
  table.prepend(...rows.reverse());
  rows.filter((row) => row.dataset.hash).forEach(removeErased);
  trim();
  showTable();
  count(records.length, chosen.length);
}

function rowOf(record) {
  const found = parse(record);
  if (found.kind === "erased") {
    known.clear();
    return erasedRow(found);
  }
  return known.delete(keyOf(found.profile.id, found.id)) ? null : eventRow(found);
}

function eventRow(event) {
  const row = copyOf("event-row");
  const part = (name) => row.querySelector(name);
  row.dataset.id = event.id;
  row.dataset.profile = event.profile.id;
  setTime(row, event.metadata.time.insert);
  part(".type").textContent = event.type;
  part(".type").href = `event?id=${encodeURIComponent(event.id)}`;
  part(".source").textContent = optionOf("source", event.source.id)?.text ?? event.source.id;
  const profile = part(".profile a");
  profile.textContent = cut(event.profile.id, MOST_ID, MOST_ID);
  profile.href = `profile?id=${encodeURIComponent(event.profile.id)}`;
  if (event.profile.id === "") profile.replaceWith("none");
  const status = optionOf("status", event.metadata.status);
  part(".badge").textContent = status?.text ?? event.metadata.status;
  part(".badge").className = `badge ${status?.dataset.badge ?? ""}`;
  part(".reasons").textContent = cut((event.metadata.reasons ?? []).map(text).join("; "));
  const members = Object.entries(event.properties ?? {});
  part(".properties").textContent = cut(members.map(([name, value]) => `${name}=${word(value)}`).join(" "));
  return row;
}

function erasedRow(erasure) {
  const row = copyOf("erased-row");
  row.dataset.hash = erasure.id_hash;
  setTime(row, erasure.time);
  row.querySelector("code").textContent = erasure.id_hash;
  return row;
}

const copyOf = (id) => document.getElementById(id).content.querySelector("tr").cloneNode(true);
const optionOf = (name, value) => (value === "" ? undefined : [...filter[name].options].find((each) => each.value === value));

function setTime(row, time) {
  const element = row.querySelector("time");
  element.dateTime = time;
  element.textContent = time.slice(0, 19).replace("T", " ");
}

const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// A text is shown without quotes where it is one word.
function word(value) {
  return typeof value === "string" && value !== "" && !/[\s"'=]/.test(value) ? value : JSON.stringify(value);
}

function cut(whole, most = MOST_TEXT, kept = most - 1) {
  const characters = [...whole.slice(0, 2 * most + 2)];
  return characters.length > most ? `${characters.slice(0, kept).join("")}…` : whole;
}

// The oldest rows are removed, but not the one that has the focus.
function trim() {
  let extra = table.rows.length - MOST_ROWS;
  if (extra <= 0) return;
  for (const row of [...table.rows].reverse()) {
    if (extra === 0) break;
    if (row.contains(document.activeElement)) continue;
    row.remove();
    extra -= 1;
  }
  older.hidden = false; // its address would leave out the rows that were removed
  older.textContent = "Load the list again, with older events";
  older.setAttribute("href", `live?${list.dataset.query}`);
}

// Removes the rows of an erased profile: those below the row of the erasure, for a profile with the same id may follow.
// The hash can be compared over https and on this machine; over plain http browsers have no SHA-256.
async function removeErased(erasure) {
  if (!crypto.subtle) return;
  for (const id of new Set([...table.rows].map((row) => row.dataset.profile))) {
    if (!id) continue;
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(id)));
    if ([...hash].map((byte) => byte.toString(16).padStart(2, "0")).join("") !== erasure.dataset.hash) continue;
    const rows = [...table.rows];
    for (const row of rows.slice(rows.indexOf(erasure) + 1).filter((each) => each.dataset.profile === id)) {
      if (row.contains(document.activeElement)) region.focus({ preventScroll: true });
      row.remove();
    }
  }
}

function showTable() {
  region.hidden = table.rows.length === 0;
  empty.hidden = !region.hidden;
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
  let now = "New events appear here by themselves.";
  if (calmTimer !== undefined) now = "Many events come: only some are shown.";
  if (!isConnected) now = "Not connected: trying again.";
  if (isPaused) now = "Paused.";
  if (state.textContent !== now) state.textContent = now;
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
follow();
if (document.hidden) seen();
