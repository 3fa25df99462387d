-- Leases due deliveries to an owner, oldest first. One whose predecessor is outstanding is left
-- and looked at again a little later: deliveries of one conversion never overtake each other.
--
-- ARGV  owner, then per request: destination, at most how many, lease in ms
-- Returns { ms until the next due time of these destinations or -1,
--           then per delivery: number of the request from 0, record, attempts, body }
local LOOK_AGAIN_MS = 50
allow_when_full()

local owner = ARGV[1]
local reply = { -1 }

local function claim(request, destination, most, lease)
  local due, queue = base .. 'z:' .. destination, base .. 'q:' .. destination
  local taken = 0
  while taken < most do
    -- What was looked at moved into the future, so every round starts at the front.
    local records = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'LIMIT', 0, most - taken)
    if #records == 0 then
      return
    end
    for _, record in ipairs(records) do
      local entry = redis.call('HGET', queue, record)
      if not entry then
        redis.call('ZREM', due, record)
      else
        local attempts, after, body = parse_queued(entry)
        if after ~= '' and outstanding(after, destination) then
          redis.call('ZADD', due, now + LOOK_AGAIN_MS, record)
        else
          redis.call('ZADD', due, now + lease, record)
          redis.call('HSET', base .. 'c:' .. destination, record, owner)
          taken = taken + 1
          reply[#reply + 1] = request
          reply[#reply + 1] = record
          reply[#reply + 1] = tonumber(attempts)
          reply[#reply + 1] = body
        end
      end
    end
  end
end

for i = 2, #ARGV, 3 do
  claim((i - 2) / 3, ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]))
  local first = redis.call('ZRANGE', base .. 'z:' .. ARGV[i], 0, 0, 'WITHSCORES')
  if first[2] then
    local wait = math.max(0, tonumber(first[2]) - now)
    if reply[1] < 0 or wait < reply[1] then
      reply[1] = wait
    end
  end
end
return reply
