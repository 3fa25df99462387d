-- Moves journal records of owners whose lease has ended into the queues, due now. Each record
-- moves whole. An owner with an empty journal is forgotten.
--
-- ARGV  at most about how many records, owner that asks: its own journal is not taken over
-- Returns how many it moved.
allow_when_full()
local owners = base .. 'owners'
local limit = tonumber(ARGV[1])
local moved = 0

local function move(journal, record, entry)
  if redis.call('HDEL', journal, record) == 0 then
    return -- A scan may show an entry twice.
  end
  local destinations, body = parse_journal(entry)
  for destination in string.gmatch(destinations, '[^,]+') do
    enqueue(destination, record, now, '0', '', body)
  end
  moved = moved + 1
end

local function take_over(owner)
  local journal = base .. 'j:' .. owner
  local cursor = '0'
  repeat
    local page = redis.call('HSCAN', journal, cursor, 'COUNT', math.max(1, limit - moved))
    cursor = page[1]
    for i = 1, #page[2], 2 do
      if moved >= limit then
        return
      end
      move(journal, page[2][i], page[2][i + 1])
    end
  until cursor == '0'
  redis.call('ZREM', owners, owner)
end

for _, owner in ipairs(redis.call('ZRANGEBYSCORE', owners, '-inf', now)) do
  if owner ~= ARGV[2] and moved < limit then
    take_over(owner)
  end
end
return moved
