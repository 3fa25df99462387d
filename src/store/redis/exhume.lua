-- Takes dead letters out: back into the queue, due now, or away for good.
--
-- ARGV  "replay" or "discard", then per letter: record, destination
--       "expire", age in ms, at most how many
-- Returns how many there were.
allow_when_full()
local action = ARGV[1]
local taken = 0

local function exhume(record, destination)
  local entry = redis.call('HGET', base .. 'd:' .. destination, record)
  redis.call('ZREM', base .. 'e:' .. destination, record)
  if not entry then
    return
  end
  redis.call('HDEL', base .. 'd:' .. destination, record)
  count('dead', destination, -1)
  if action == 'replay' then
    local body = string.match(entry, '^[^\n]*\n[^\n]*\n[^\n]*\n(.*)$')
    enqueue(destination, record, now, '0', '', body)
  else
    count('dis', destination, 1)
  end
  taken = taken + 1
end

if action == 'expire' then
  local before, limit = now - tonumber(ARGV[2]), tonumber(ARGV[3])
  for _, field in ipairs(redis.call('HKEYS', base .. 'n')) do
    local destination = string.match(field, '^enq:(.*)$')
    if destination and taken < limit then
      local old = redis.call(
        'ZRANGEBYSCORE', base .. 'e:' .. destination, '-inf', '(' .. string.format('%.0f', before),
        'LIMIT', 0, limit - taken
      )
      for _, record in ipairs(old) do
        exhume(record, destination)
      end
    end
  end
else
  for i = 2, #ARGV, 2 do
    exhume(ARGV[i], ARGV[i + 1])
  end
end
write_counts()
return taken
