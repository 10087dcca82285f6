-- Every operation of the ledger as one atomic script: KEYS[1] = prefix, ARGV[1] = operation, ARGV[2] = JSON arguments.
--
-- <prefix>:job:<id>         hash     all fields of a job
-- <prefix>:<state>          sorted   ids by at_ms; queued jobs stand in <prefix>:queued:<lane> instead
-- <prefix>:lanes            hash     lane → the latest published_ms that was ever claimed from it
-- <prefix>:suspects         sorted   jobs on their last chance; 0 = waiting for their turn, 1 = running
-- <prefix>:nonce:<nonce>    string   expires by itself
--
-- Time is the server's, unless the caller (a test) gives another.
local prefix = KEYS[1]
local args = cjson.decode(ARGV[2])
local now = args.now
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- cjson writes 14 digits.
local PARKED = 99999999999999
local MOST_DOUBLINGS = 6
local ENDED = { done = true, refused = true, dead = true, dropped = true }
local NUMBERS = { 'attempts', 'losses', 'fence', 'at_ms', 'published_ms', 'created_ms', 'changed_ms', 'republished' }

local function job_key(id) return prefix .. ':job:' .. id end
local function nonce_key(nonce) return prefix .. ':nonce:' .. nonce end
local suspects = prefix .. ':suspects'
local lanes = prefix .. ':lanes'

local function place(state, lane)
  if state == 'queued' then return prefix .. ':queued:' .. lane end
  return prefix .. ':' .. state
end

local function read(id)
  local flat = redis.call('HGETALL', job_key(id))
  if #flat == 0 then return nil end
  local job = {}
  for i = 1, #flat, 2 do job[flat[i]] = flat[i + 1] end
  for _, name in ipairs(NUMBERS) do job[name] = tonumber(job[name]) end
  job.job_id = id
  return job
end

-- Without the message, which most operations do not need.
local FEW = { 'state', 'lane', 'fence', 'holder', 'attempts', 'losses', 'published_ms', 'republished', 'digest',
  'at_ms' }
local function peek(id)
  local values = redis.call('HMGET', job_key(id), unpack(FEW))
  if not values[1] then return nil end
  local job = { job_id = id }
  for i, name in ipairs(FEW) do job[name] = values[i] end
  for _, name in ipairs(NUMBERS) do job[name] = tonumber(job[name]) end
  return job
end

local function stands(grant, job)
  return job and job.state == 'claimed' and job.fence == grant.fence and job.holder == grant.holder
end

local function move(job, state, at_ms, ...)
  redis.call('ZREM', place(job.state, job.lane), job.job_id)
  redis.call('ZADD', place(state, job.lane), at_ms, job.job_id)
  redis.call('HSET', job_key(job.job_id), 'state', state, 'at_ms', at_ms, 'changed_ms', now, ...)
  if ENDED[state] then
    redis.call('ZREM', suspects, job.job_id)
    if state ~= 'dead' then redis.call('HDEL', job_key(job.job_id), 'message') end
  end
  job.state = state
end

local function grant_to(job, holder, lease_ms, attempts, losses)
  local fence = math.max(job.fence + 1, now)
  move(job, 'claimed', now + lease_ms, 'fence', fence, 'holder', holder, 'attempts', attempts, 'losses', losses)
  return { job_id = job.job_id, fence = fence, holder = holder, attempts = attempts, losses = losses }
end

local function publish(job, delay_ms, ...)
  move(job, 'queued', now + delay_ms, 'published_ms', now, ...)
end

-- A job whose holder was lost: condemned, parked for its last chance, or to be published at once.
local function lose(id, job, rules, alone, condemned)
  local losses = job.losses + 1
  if losses > rules.max_losses then
    local grant = grant_to(job, rules.holder, rules.lease_ms, job.attempts, losses)
    condemned[#condemned + 1] = { grant, read(id) }
  elseif losses == rules.max_losses then
    redis.call('ZADD', suspects, 0, id)
    move(job, 'queued', PARKED, 'losses', losses)
  else
    publish(job, 0, 'losses', losses)
    alone[#alone + 1] = read(id)
  end
end

-- Jobs on their last chance run one at a time: two of them together would not show which of them kills.
local function release_suspect(alone)
  for _, id in ipairs(redis.call('ZRANGE', suspects, 1, 1, 'BYSCORE')) do
    local job = peek(id)
    if job and not ENDED[job.state] then return end
    redis.call('ZREM', suspects, id)
  end
  for _, id in ipairs(redis.call('ZRANGE', suspects, 0, 0, 'BYSCORE', 'LIMIT', 0, 1)) do
    redis.call('ZADD', suspects, 1, id)
    publish(peek(id), 0)
    alone[#alone + 1] = read(id)
  end
end

local function republish_stale(rules, together)
  local idle = {}
  for _, lane in ipairs(rules.idle_lanes) do idle[lane] = true end
  local marks = redis.call('HGETALL', lanes)
  for i = 1, #marks, 2 do
    local lane, latest = marks[i], now - rules.stale_ms
    -- Queues are in order: if a later message of the lane was taken, this one must have been as well. What was recorded
    -- in the same moment tells nothing: it may stand behind.
    if not idle[lane] then latest = math.min(latest, tonumber(marks[i + 1]) - 1) end
    local stale = redis.call('ZRANGE', place('queued', lane), '-inf', latest, 'BYSCORE', 'LIMIT', 0, rules.limit)
    for _, id in ipairs(stale) do
      local job = peek(id)
      local times = job.republished + 1
      publish(job, rules.stale_ms * (2 ^ math.min(times, MOST_DOUBLINGS) - 1), 'republished', times)
      together[#together + 1] = read(id)
    end
  end
end

local operations = {}

function operations.record()
  local answers = {}
  for i, entry in ipairs(args.entries) do
    local job = peek(entry.job_id)
    if not job then
      redis.call('HSET', job_key(entry.job_id), 'state', 'queued', 'lane', entry.lane, 'digest', entry.digest,
        'message', ARGV[2 + i], 'attempts', 0, 'losses', 0, 'fence', 0, 'holder', '', 'at_ms', now,
        'published_ms', now, 'created_ms', now, 'changed_ms', now, 'republished', 0)
      redis.call('ZADD', place('queued', entry.lane), now, entry.job_id)
      redis.call('HSETNX', lanes, entry.lane, 0)
      answers[i] = 'new'
    elseif job.digest ~= entry.digest then answers[i] = 'conflict'
    elseif ENDED[job.state] then answers[i] = 'ended'
    else answers[i] = 'known' end
  end
  return answers
end

function operations.claim()
  local answers, latest = {}, {}
  for i, id in ipairs(args.job_ids) do
    local job = peek(id)
    if not job then answers[i] = 'unknown'
    elseif args.digests[i] and args.digests[i] ~= job.digest then answers[i] = 'conflict'
    elseif ENDED[job.state] then answers[i] = 'ended'
    elseif job.state == 'claimed' or job.at_ms == PARKED then answers[i] = 'held'
    else
      latest[job.lane] = math.max(latest[job.lane] or 0, job.published_ms)
      answers[i] = grant_to(job, args.holder, args.lease_ms, job.attempts + 1, job.losses)
    end
  end
  for lane, published in pairs(latest) do
    local mark = tonumber(redis.call('HGET', lanes, lane) or 0)
    if published > mark then redis.call('HSET', lanes, lane, published) end
  end
  return answers
end

function operations.renew()
  local answers = {}
  for i, grant in ipairs(args.grants) do
    local job = peek(grant.job_id)
    answers[i] = stands(grant, job) or false
    if answers[i] then
      redis.call('ZADD', place('claimed'), now + args.lease_ms, grant.job_id)
      redis.call('HSET', job_key(grant.job_id), 'at_ms', now + args.lease_ms)
    end
  end
  return answers
end

function operations.commit()
  local answers = {}
  for i, done in ipairs(args.done) do
    local grant, job = done.grant, peek(done.grant.job_id)
    if stands(grant, job) then
      move(job, 'done', now, 'receipt', done.receipt)
      answers[i] = 'committed'
    elseif job and job.state == 'done' and job.fence == grant.fence and job.holder == grant.holder then
      answers[i] = 'already'
    else answers[i] = 'fenced' end
  end
  return answers
end

function operations.retry()
  local answers = {}
  for i, retry in ipairs(args.retries) do
    local job = peek(retry.grant.job_id)
    answers[i] = stands(retry.grant, job) or false
    local attempts = job and (retry.counts and job.attempts or job.attempts - 1)
    if answers[i] then publish(job, retry.delay_ms, 'code', retry.code, 'attempts', attempts) end
  end
  return answers
end

function operations.bury()
  local answers = {}
  for i, burial in ipairs(args.burials) do
    local job = peek(burial.grant.job_id)
    answers[i] = stands(burial.grant, job) or false
    if answers[i] then move(job, burial.state, now, 'code', burial.code, 'reason', burial.reason) end
  end
  return answers
end

function operations.give_back()
  local answers = {}
  for i, id in ipairs(args.job_ids) do
    local job = peek(id)
    answers[i] = (job and job.state == 'claimed' and job.holder == args.holder) or false
    -- Its message goes back to where it stood, so it counts as published when it was.
    if answers[i] then move(job, 'queued', now, 'attempts', job.attempts - 1) end
  end
  return answers
end

function operations.lose()
  local alone, condemned = {}, {}
  for _, id in ipairs(args.job_ids) do
    local job = peek(id)
    if job and job.state == 'claimed' and job.holder == args.holder then
      lose(id, job, args.rules, alone, condemned)
    end
  end
  release_suspect(alone)
  return { alone = alone, condemned = condemned, together = {}, suspects = redis.call('ZCARD', suspects) }
end

function operations.sweep()
  local rules, alone, together, condemned = args.rules, {}, {}, {}
  for _, id in ipairs(redis.call('ZRANGE', place('claimed'), '-inf', now, 'BYSCORE', 'LIMIT', 0, rules.limit)) do
    lose(id, peek(id), rules, alone, condemned)
  end
  release_suspect(alone)
  republish_stale(rules, together)
  return { alone = alone, together = together, condemned = condemned, suspects = redis.call('ZCARD', suspects) }
end

function operations.look()
  local answers = {}
  for i, id in ipairs(args.job_ids) do answers[i] = read(id) or false end
  return answers
end

function operations.states()
  local answers = {}
  for i, id in ipairs(args.job_ids) do answers[i] = redis.call('HGET', job_key(id), 'state') end
  return answers
end

local function queues()
  local names = {}
  for _, lane in ipairs(redis.call('HKEYS', lanes)) do names[#names + 1] = place('queued', lane) end
  return names
end

function operations.standing()
  local answers, skip = {}, args.offset
  local names = args.state == 'queued' and queues() or { place(args.state) }
  table.sort(names)
  for _, name in ipairs(names) do
    local wanted = args.limit - #answers
    if wanted > 0 then
      for _, id in ipairs(redis.call('ZRANGE', name, skip, skip + wanted - 1)) do answers[#answers + 1] = read(id) end
    end
    skip = math.max(0, skip - redis.call('ZCARD', name))
  end
  return answers
end

function operations.census()
  local counts = { queued = 0 }
  for _, name in ipairs(queues()) do counts.queued = counts.queued + redis.call('ZCARD', name) end
  for _, state in ipairs({ 'claimed', 'done', 'refused', 'dead', 'dropped' }) do
    counts[state] = redis.call('ZCARD', place(state))
  end
  return counts
end

function operations.pulse()
  local due, ended = 0, 0
  for _, name in ipairs(queues()) do
    local first = redis.call('ZRANGE', name, 0, 0, 'WITHSCORES')[2]
    if first and tonumber(first) < PARKED and (due == 0 or tonumber(first) < due) then due = tonumber(first) end
  end
  for _, state in ipairs({ 'done', 'refused', 'dead' }) do
    ended = math.max(ended, tonumber(redis.call('ZRANGE', place(state), -1, -1, 'WITHSCORES')[2] or 0))
  end
  return { now_ms = now, due_ms = due, ended_ms = ended }
end

function operations.replay()
  local answers = {}
  for i, id in ipairs(args.job_ids) do
    local job = peek(id)
    if job and job.state == 'dead' then
      publish(job, 0, 'attempts', 0, 'losses', 0, 'republished', 0)
      answers[i] = read(id)
    else answers[i] = false end
  end
  return answers
end

function operations.drop()
  local answers = {}
  for i, id in ipairs(args.job_ids) do
    local job = peek(id)
    answers[i] = (job and job.state == 'dead') or false
    if answers[i] then move(job, 'dropped', now) end
  end
  return answers
end

function operations.prune()
  local gone = 0
  for _, state in ipairs({ 'done', 'refused', 'dropped' }) do
    local old = redis.call('ZRANGE', place(state), '-inf', now - args.keep_ms, 'BYSCORE', 'LIMIT', 0, args.limit - gone)
    for _, id in ipairs(old) do
      redis.call('ZREM', place(state), id)
      redis.call('DEL', job_key(id))
      gone = gone + 1
    end
    if gone >= args.limit then break end
  end
  return gone
end

function operations.spend()
  local answers = {}
  for i, nonce in ipairs(args.nonces) do
    answers[i] = redis.call('SET', nonce_key(nonce), now, 'NX', 'PX', args.keep_ms) ~= false
  end
  return answers
end

function operations.spent()
  local answers = {}
  for i, nonce in ipairs(args.nonces) do answers[i] = redis.call('EXISTS', nonce_key(nonce)) == 1 end
  return answers
end

return cjson.encode(operations[ARGV[1]]())
