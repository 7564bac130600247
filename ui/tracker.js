// The tracker script: <script defer src="https://HOST/tracker.js" data-source="ID"></script>
// docs/tracker-script.md describes it. ui/tracker_script.py makes one line of it, without lines of comments like these.
(() => {
  const HOUR_MS = 3_600_000;
  const CALL_BYTES = 50_000;

  const warned = {};
  const warn = (text) => {
    warned[text] = warned[text] || !console.warn(`trackd: ${text}`);
  };

  // A fault of this script never reaches the page.
  const safe = (work) => (...values) => {
    try {
      return work(...values);
    } catch (fault) {
      warn(fault);
    }
  };

  const early = window.trackd;
  if (early?.track) return;
  const tag = document.currentScript || document.querySelector("script[data-source]");
  const { source, endpoint, auto, respectDnt } = tag?.dataset || {};
  const url = safe(() => new URL(endpoint || "track", tag.src).href)();
  const unwanted = respectDnt !== "false" && (navigator.doNotTrack === "1" || navigator.globalPrivacyControl);
  const off = unwanted || !url || !source;
  if (!source) warn("the script has no data-source");

  // localStorage, or memory where it is forbidden or full. An event has a key of its own: tabs need no lock for it.
  const prefix = `trackd ${url} `;
  const memory = {};
  const stored = (work) => {
    try {
      return work(localStorage);
    } catch {}
  };
  const read = (key) => memory[key] || stored((storage) => storage.getItem(prefix + key));
  const remove = (key) => {
    delete memory[key];
    stored((storage) => storage.removeItem(prefix + key));
  };
  const write = (key, text) => {
    remove(key);
    if (!stored((storage) => storage.setItem(prefix + key, text) || true)) memory[key] = text;
  };
  const keys = () =>
    (stored(Object.keys) || [])
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
      .concat(Object.keys(memory))
      .sort();
  const queue = () => keys().filter((key) => key[0] !== ".");
  const parse = (text) => safe(() => JSON.parse(text || 0))() || {};

  // Ids of one page sort as its events happened.
  let newest = 0;
  const newId = () => {
    newest = Math.max(Date.now(), newest + 1);
    return [newest.toString(36), ...crypto.getRandomValues(new Uint32Array(3))].join("-");
  };

  // Other scripts write to the storage too: an id that newId has not made is none, as the server may refuse it.
  const session = () => {
    const { id, seen } = parse(read(".session"));
    return Math.abs(Date.now() - seen) < HOUR_MS / 2 && /^\w+-\d+-\d+-\d+$/.exec(id)?.[0];
  };
  const use = (id) => {
    write(".session", JSON.stringify({ id, seen: Date.now() }));
    return id;
  };
  const tracked = [];
  const entitle = () => {
    for (const { context } of tracked) context.page.title = context.page.title || document.title;
  };
  const enqueue = () => {
    entitle();
    const id = use(session() || newId());
    for (const event of tracked.splice(0)) write(event.id, JSON.stringify({ source, session: id, event }));
    // In characters. A longer event would be refused, maybe by a proxy, whose answer a page cannot read.
    let left = 500_000;
    for (const key of queue().reverse()) {
      const { length } = read(key) || "";
      if (length > left) remove(key);
      else left -= length;
    }
    return id;
  };
  // A new session is used a moment later: of tabs that open together, all use the one that was written last.
  // A page that has moved within an application gets its new title a moment later.
  let settled = 0;
  let opening;
  const open = async () => {
    if (!session()) {
      use(newId());
      settled = performance.now() + 500;
    }
    await null;
    while (settled > performance.now()) await new Promise((done) => setTimeout(done, 99));
    opening = null;
    return enqueue();
  };
  const opened = () => (opening = opening || open());

  const call = ({ source, session }, events, options) =>
    JSON.stringify({
      source: { id: source },
      session: { id: session },
      profile: { id: read(".profile")?.slice(0, 255) },
      context: {
        time: { tz: Intl.DateTimeFormat().resolvedOptions().timeZone },
        browser: { language: navigator.language },
      },
      events,
      options,
      sentAt: new Date(),
    });
  const bytes = (text) => new Blob([text]).size;

  // The oldest queued events of one session.
  const batch = (without, one) => {
    const taken = [];
    const events = [];
    let first;
    let size = 0;
    for (const key of queue()) {
      if (without.includes(key)) continue;
      const text = read(key);
      const item = parse(text);
      if (!item.event) {
        remove(key);
        continue;
      }
      first = first || item;
      size += bytes(text);
      if (item.session !== first.session || item.source !== first.source) break;
      if (taken[0] && (one || size > CALL_BYTES)) break;
      taken.push(key);
      events.push(item.event);
    }
    return { taken, first, events, size };
  };

  // The session follows, by which a load balancer chooses the node. A header for it would need a preflight.
  const target = url + (url?.includes("?") ? "&s=" : "?s=");

  // Sent as text, which needs no preflight. It goes on when the page is left, if browsers allow it for so many bytes.
  const post = async (first, events, options) => {
    const body = call(first, events, options);
    let status;
    let content;
    try {
      const answer = await fetch(target + first.session, {
        method: "POST",
        body,
        credentials: "omit",
        keepalive: bytes(body) < 60_000,
        signal: AbortSignal.timeout?.(30_000),
      });
      status = answer.status;
      const after = answer.headers.get("retry-after");
      const ms = 1_000 * after || Date.parse(after) - Date.now();
      if (ms > 0) write(".wait", Date.now() + Math.min(ms, HOUR_MS));
      content = await answer.json();
      write(".profile", content.profile.id);
    } catch {}
    return { status, ...content };
  };

  let blocked;
  let failures = 0;
  let retryAt = 0;
  let timer;
  // A time in more than an hour is left of a clock that was wrong.
  const waits = () => {
    const asked = read(".wait") - Date.now();
    return Math.max(0, retryAt - performance.now(), asked <= HOUR_MS && asked);
  };
  const round = async () => {
    let one = 0;
    while (!blocked) {
      clearTimeout(timer);
      if (waits()) {
        timer = setTimeout(send, waits());
        return;
      }
      const { taken, first, events } = batch([], one-- > 0);
      if (!first) return;
      const { profile, status, detail } = await post(first, events);
      if (profile) failures = 0;
      else if (taken[1] && /413|422/.test(status)) {
        // One event may spoil the others of its call: they are sent one by one.
        one = taken.length;
        continue;
      } else if (/^4(?!08|25|29)/.test(status)) {
        warn(`${status} ${JSON.stringify(detail)}`);
      } else {
        retryAt = performance.now() + (1 + Math.random()) * 500 * 2 ** Math.min(failures++, 6);
        continue;
      }
      taken.forEach(remove);
    }
  };
  // One tab at a time, if it does not take long: an event that two of them send is stored once.
  let sending = Promise.resolve();
  const send = () =>
    (sending = sending
      .then(() => queue()[0] && navigator.locks.request(prefix, { signal: AbortSignal.timeout(5_000) }, round))
      .catch(round)
      .catch(warn));

  // Each beacon has the oldest events, those of a call under way included: so none overtakes an older one.
  let beaconed = [];
  const leave = safe(() => {
    if (tracked[0]) enqueue();
    while (!blocked) {
      const { taken, first, events, size } = batch(beaconed);
      if (!first || !navigator.sendBeacon(target + first.session, call(first, events)) || size > CALL_BYTES) return;
      beaconed.push(...taken);
    }
  });

  let referrer = document.referrer;
  const track = (type, properties) => {
    if (off) return;
    const { href, pathname, hash } = location;
    const page = { url: href, path: pathname, hash, referrer };
    const event = { id: newId(), type, properties, time: { create: new Date() }, context: { page } };
    tracked.push(parse(JSON.stringify(event)));
    opened().then(send).catch(warn);
  };
  const consent = (consents) => {
    const granted = Object.entries(consents).map(([name, value]) => [name, value === true]);
    track("consent-granted", Object.fromEntries(granted));
  };
  const profile = async () => {
    if (off) return null;
    const session = await opened();
    await send();
    const answer = blocked || waits() ? {} : await post({ source, session }, [], { profile: true });
    const id = read(".profile");
    return answer.profile || (id ? { id } : null);
  };

  // A fragment is part of the address only where it is a route of the page, as in #/cart.
  const current = () => location.pathname + location.search + (/^#!?\/.*/.exec(location.hash) || "");
  let shown;
  let address;
  const view = () => {
    if (shown && shown !== location.href) referrer = shown;
    shown = location.href;
    address = current();
    track("page-view");
  };
  const moved = safe(() => {
    if (current() === address) return;
    entitle();
    settled = performance.now() + 500;
    view();
  });
  const begin = safe(() => {
    if (auto !== "false") {
      view();
      const { pushState } = history;
      history.pushState = (...values) => {
        pushState.apply(history, values);
        moved();
      };
      addEventListener("popstate", moved);
      addEventListener("pageshow", safe((event) => event.persisted && view()));
    }
    send();
  });

  const api = { track: safe(track), consent: safe(consent), profile };
  api.push = (...calls) => calls.forEach(safe(([name, ...values]) => api[name](...values)));
  window.trackd = api;
  if (unwanted) keys().forEach(remove);
  if (!off) {
    addEventListener("pagehide", leave);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return leave();
      beaconed = [];
      send();
    });
    addEventListener("online", () => {
      retryAt = 0;
      send();
    });
    document.addEventListener("securitypolicyviolation", (event) => {
      if (event.effectiveDirective !== "connect-src" || event.disposition !== "enforce") return;
      if (url.startsWith(event.blockedURI.split("?")[0])) blocked = true;
    });
    if (document.prerendering) document.addEventListener("prerenderingchange", begin);
    else begin();
  }
  if (Array.isArray(early)) api.push(...early);
})();
