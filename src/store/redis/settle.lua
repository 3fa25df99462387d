-- Ends deliveries. Every step is fenced by the entry it ends, so a late or repeated settle of work
-- that was ended, taken over or claimed by another changes nothing.
--
-- ARGV  owner, then per settlement one of
--   "J", record, "destination,destination"        all of them delivered
--   "j", record, number of endings, the endings
--   "q", record, one ending
-- ending: destination, then "d" | "r", delay ms, attempts | "x", attempts, "[reason, detail]"
allow_when_full()

local owner = ARGV[1]
local at = 2
local function take()
  at = at + 1
  return ARGV[at - 1]
end

local function take_ending()
  local ending = { destination = take(), kind = take() }
  if ending.kind == 'r' then
    ending.delay = tonumber(take())
    ending.attempts = take()
  elseif ending.kind == 'x' then
    ending.attempts = take()
    ending.why = take()
  end
  return ending
end

local function finish(record, body, ending)
  local destination = ending.destination
  if ending.kind == 'd' then
    count('del', destination, 1)
  elseif ending.kind == 'r' then
    enqueue(destination, record, now + ending.delay, ending.attempts, '', body)
  else
    redis.call(
      'HSET', base .. 'd:' .. destination, record,
      ending.attempts .. '\n' .. string.format('%.0f', now) .. '\n' .. ending.why .. '\n' .. body
    )
    redis.call('ZADD', base .. 'e:' .. destination, now, record)
    count('dead', destination, 1)
  end
end

local function settle_journal(record, endings)
  local journal = journal_of(record)
  local entry = redis.call('HGET', journal, record)
  if not entry then
    return
  end
  local destinations, body = parse_journal(entry)
  local ended = {}
  for _, ending in ipairs(endings) do
    -- Only what is still listed: a settle that is sent twice must not be counted twice.
    if not ended[ending.destination] and lists(destinations, ending.destination) then
      ended[ending.destination] = true
      finish(record, body, ending)
    end
  end
  local remaining = {}
  for destination in string.gmatch(destinations, '[^,]+') do
    if not ended[destination] then
      remaining[#remaining + 1] = destination
    end
  end
  if #remaining == 0 then
    redis.call('HDEL', journal, record)
  elseif next(ended) then
    redis.call('HSET', journal, record, table.concat(remaining, ',') .. '\n' .. body)
  end
end

local function settle_queue(record, ending)
  local destination = ending.destination
  if redis.call('HGET', base .. 'c:' .. destination, record) ~= owner then
    return
  end
  redis.call('HDEL', base .. 'c:' .. destination, record)
  local entry = redis.call('HGET', base .. 'q:' .. destination, record)
  if not entry then
    return
  end
  local _, _, body = parse_queued(entry)
  redis.call('HDEL', base .. 'q:' .. destination, record)
  redis.call('ZREM', base .. 'z:' .. destination, record)
  finish(record, body, ending)
end

while at <= #ARGV do
  local kind = take()
  local record = take()
  if kind == 'q' then
    settle_queue(record, take_ending())
  else
    local endings = {}
    if kind == 'J' then
      for destination in string.gmatch(take(), '[^,]+') do
        endings[#endings + 1] = { destination = destination, kind = 'd' }
      end
    else
      for i = 1, tonumber(take()) do
        endings[i] = take_ending()
      end
    end
    settle_journal(record, endings)
  end
end
write_counts()
