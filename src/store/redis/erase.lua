-- Removes conversions of this partition. A delivery that ended since it was found is gone already
-- and is not counted again.
--
-- ARGV  number of keys, the keys, then per row: "j", owner, record | "q" or "d", destination, record
-- Returns { states, deliveries that were pending, dead letters } removed.
allow_when_full()
local states, pending, dead = 0, 0, 0

local first = 2 + tonumber(ARGV[1])
for i = 2, first - 1 do
  states = states + redis.call('DEL', base .. 's:' .. ARGV[i])
end

for i = first, #ARGV, 3 do
  local kind, name, record = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local hash = base .. kind .. ':' .. name
  local entry = redis.call('HGET', hash, record)
  if entry then
    redis.call('HDEL', hash, record)
    if kind == 'j' then
      for destination in string.gmatch((parse_journal(entry)), '[^,]+') do
        count('dis', destination, 1)
        pending = pending + 1
      end
    elseif kind == 'q' then
      redis.call('ZREM', base .. 'z:' .. name, record)
      redis.call('HDEL', base .. 'c:' .. name, record)
      count('dis', name, 1)
      pending = pending + 1
    else
      redis.call('ZREM', base .. 'e:' .. name, record)
      count('dead', name, -1)
      count('dis', name, 1)
      dead = dead + 1
    end
  end
end
write_counts()
return { states, pending, dead }
