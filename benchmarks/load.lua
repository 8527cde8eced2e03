-- For wrk: asks for the paths of a file, one after the other, from the first again after the last.
-- Prints what it counted as one line of JSON. With one thread (-t1) only: each would have its own.

local paths, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    paths[#paths + 1] = wrk.format("GET", line)
  end
end

function request()
  at = at + 1
  asked = at -- global: `done` runs elsewhere, and sees no locals
  return paths[(at - 1) % #paths + 1]
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"asked": %d, "answered": %d, "seconds": %.6f, "bytes": %d, "p50_ms": %.3f, "p99_ms": %.3f, '
      .. '"refused": %d, "broken": %d}\n',
    threads[1]:get("asked"), summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
