-- wrk script: POST /track with a body in which SESSION stands for one of PROFILES sessions, each of its own profile.
-- One wrk thread walks them in a pseudo-random order that SEED fixes, so that all servers see the same requests; with
-- WALK it takes them one after the other.
local n = tonumber(os.getenv("PROFILES"))
local walk = os.getenv("WALK") == "1"
local file = io.open(os.getenv("BODY"))
local head, tail = file:read("*a"):match("^(.-)SESSION(.*)$")
file:close()

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"

local i = tonumber(os.getenv("SEED"))
request = function()
  -- Lehmer's generator: products stay below 2^53, so they are exact.
  i = walk and i + 1 or (i * 48271) % 2147483647
  return wrk.format("POST", nil, nil, head .. "s-" .. (i % n) .. tail)
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
