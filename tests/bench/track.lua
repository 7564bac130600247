-- wrk script: POST /track, with a head of HEADS and a body of BODIES, in which SESSION and EVENT_ID stand for ids.
-- All that requests have in common is prepared before the first one is sent.
--
-- One wrk thread walks PROFILES sessions, each of its own profile and with the head of its own client, in a pseudo-random
-- order that SEED fixes, so that all servers see the same requests; with WALK it takes them one after the other.
-- With NODES, addresses of several servers, each has a thread, and a session belongs to one of them.
-- With UUIDS sessions have random ids, the same in each run. IDS_SEED fixes the ids of events; with TIMED they are UUIDs
-- of version 7, whose first half is the time.
local function read(name)
  local file = io.open(os.getenv(name))
  local text = file:read("*a")
  file:close()
  return text
end

local function word()
  return string.format("%04x", math.random(0, 65535))
end

-- Random UUIDs, each made of two halves that are prepared: 2^28 different ones.
local halves, count = 16384, 0
local first, second = {}, {}

local function prepare_uuids(seed)
  math.randomseed(seed)
  for number = 0, halves - 1 do
    first[number] = word() .. word() .. "-" .. word() .. "-4" .. word():sub(2) .. "-a"
    second[number] = word():sub(2) .. "-" .. word() .. word() .. word()
  end
end

local function uuid()
  count = count + 1
  return first[count % halves] .. second[(count + math.floor(count / halves)) % halves]
end

local milliseconds, made = os.time() * 1000, 0

-- With a thousand of them for each millisecond, so that no two are alike: time stands still while requests are made.
local function timed_uuid()
  made = made + 1
  local time = string.format("%012x", milliseconds + math.floor(made / 1000))
  return time:sub(1, 8) .. "-" .. time:sub(9) .. "-7" .. string.format("%03x", made % 1000) .. "-a" .. second[made % halves]
end

local event_id = os.getenv("TIMED") == "1" and timed_uuid or uuid

local n, walk = tonumber(os.getenv("PROFILES")), os.getenv("WALK") == "1"
local heads, sessions, bodies = {}, {}, {}

-- The parts of a request. The first two are its head and its length; `session` and `events` are the places of ids.
local function parts_of(body)
  local made = {parts = {"", ""}, length = 0, events = {}}
  for text, id in (body .. "\0"):gsub("SESSION", "\1"):gsub("EVENT_ID", "\2"):gmatch("([^%z\1\2]*)([%z\1\2])") do
    table.insert(made.parts, text)
    made.length = made.length + #text
    if id == "\1" then
      table.insert(made.parts, "")
      made.session = #made.parts
    elseif id == "\2" then
      table.insert(made.parts, "")
      table.insert(made.events, #made.parts)
      made.length = made.length + 36
    end
  end
  return made
end

local nodes, threads = {}, 0
for host, port in (os.getenv("NODES") or ""):gmatch("(%S+):(%d+)") do table.insert(nodes, {host, port}) end

setup = function(thread)
  if #nodes > 0 then
    local host, port = unpack(nodes[threads + 1])
    thread.addr = wrk.lookup(host, port)[1]
    thread:set("node", threads)
    threads = threads + 1
  end
end

init = function()
  for head in read("HEADS"):gmatch("(.-)\r\n\r\n") do
    table.insert(heads, "POST /track HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n" .. head .. "\r\nContent-Length: ")
  end
  for body in read("BODIES"):gmatch("[^\n]+") do table.insert(bodies, parts_of(body)) end
  prepare_uuids(1)
  for number = 0, n - 1 do sessions[number] = os.getenv("UUIDS") == "1" and uuid() or "s-" .. number end
  prepare_uuids(tonumber(os.getenv("IDS_SEED")))
end

local i = tonumber(os.getenv("SEED"))
request = function()
  -- Lehmer's generator: products stay below 2^53, so they are exact.
  repeat i = walk and i + 1 or (i * 48271) % 2147483647 until #nodes == 0 or i % n % #nodes == node
  local session = sessions[i % n]
  local body = bodies[math.floor(i / n) % #bodies + 1]
  local parts = body.parts
  parts[1] = heads[i % n % #heads + 1]
  parts[2] = body.length + #session .. "\r\n\r\n"
  parts[body.session] = session
  for number = 1, #body.events do parts[body.events[number]] = event_id() end
  return table.concat(parts)
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
