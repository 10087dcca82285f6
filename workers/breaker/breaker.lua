-- Every operation of a shared breaker as one atomic script: KEYS[1] = the part's hash, KEYS[2] = its probes,
-- ARGV[1] = operation, ARGV[2] = JSON arguments.
--
-- hash     state, until, open_ms (of the next opening), passed (probes that went well), good:<slot>, bad:<slot>
-- probes   sorted set: probe → when it counts as never sent
--
-- Time is the server's, unless the caller (a test) gives another.
local hash, probes = KEYS[1], KEYS[2]
local args = cjson.decode(ARGV[2])
local rules = args.rules
local now = args.now
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local slot_ms = math.floor(rules.window_ms / rules.slots)

local function get(name) return redis.call('HGET', hash, name) end
local function number(name, otherwise) return tonumber(get(name) or otherwise) end
local function state() return get('state') or 'closed' end

local function totals()
  local oldest = math.floor(now / slot_ms) - rules.slots
  local sums = { good = 0, bad = 0 }
  local flat = redis.call('HGETALL', hash)
  for i = 1, #flat, 2 do
    local kind, slot = string.match(flat[i], '^(%a+):(%d+)$')
    if slot then
      if tonumber(slot) <= oldest then redis.call('HDEL', hash, flat[i])
      else sums[kind] = sums[kind] + tonumber(flat[i + 1]) end
    end
  end
  return sums.good, sums.bad
end

local function forget_calls()
  local flat = redis.call('HKEYS', hash)
  for _, name in ipairs(flat) do
    if string.match(name, ':') then redis.call('HDEL', hash, name) end
  end
end

local function enter(name)
  redis.call('HSET', hash, 'state', name, 'passed', 0)
  redis.call('DEL', probes)
end

local function open(good, bad)
  local open_ms = number('open_ms', rules.open_ms)
  enter('open')
  redis.call('HSET', hash, 'until', now + open_ms, 'open_ms', math.min(open_ms * 2, rules.longest_open_ms))
  forget_calls()
  return { entered = 'open', good = good, bad = bad, open_ms = open_ms }
end

local operations = {}

function operations.admit()
  local stands, entered = state(), nil
  if stands == 'closed' then return { passes = true } end
  if stands == 'open' then
    local ends = number('until', 0)
    if now < ends then return { passes = false, retry_after_ms = ends - now } end
    enter('half_open')
    entered = 'half_open'
  end
  redis.call('ZREMRANGEBYSCORE', probes, '-inf', now)
  local under_way = redis.call('ZCARD', probes)
  if under_way >= rules.probes then
    return { passes = false, retry_after_ms = math.min(rules.open_ms, rules.probe_ms), entered = entered }
  end
  local probe = tostring(redis.call('HINCRBY', hash, 'probed', 1))
  redis.call('ZADD', probes, now + rules.probe_ms, probe)
  redis.call('PEXPIRE', probes, rules.probe_ms * 2)
  return { passes = true, probe = probe, entered = entered }
end

local function report_probe()
  -- A probe of an earlier half-open state, or one that was given up, decides nothing.
  if redis.call('ZREM', probes, args.probe) == 0 or state() ~= 'half_open' then return nil end
  if args.bad > 0 then return open(args.good, args.bad) end
  if args.good == 0 then return nil end
  if redis.call('HINCRBY', hash, 'passed', 1) < rules.probes then return nil end
  enter('closed')
  redis.call('HDEL', hash, 'open_ms', 'until')
  forget_calls()
  return { entered = 'closed', good = args.good, bad = 0, open_ms = 0 }
end

function operations.report()
  local change = nil
  if args.probe ~= '' then change = report_probe()
  elseif state() == 'closed' then
    local slot = math.floor(now / slot_ms)
    if args.good > 0 then redis.call('HINCRBY', hash, 'good:' .. slot, args.good) end
    if args.bad > 0 then redis.call('HINCRBY', hash, 'bad:' .. slot, args.bad) end
    local good, bad = totals()
    if bad > 0 and good + bad >= rules.minimum and bad >= rules.ratio * (good + bad) then change = open(good, bad) end
  end
  redis.call('PEXPIRE', hash, 20 * (rules.window_ms + rules.longest_open_ms))
  return change or false
end

function operations.state() return { state = state() } end

return cjson.encode(operations[ARGV[1]]())
