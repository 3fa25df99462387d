-- What is due, without taking it: so that one claim over all partitions takes the oldest.
--
-- ARGV  per request: destination, at most how many
-- Returns per request: ms until its next due time (-1 if none), then the ages in ms of what is
-- due now, oldest first.
local reply = {}
for i = 1, #ARGV, 2 do
  local due = base .. 'z:' .. ARGV[i]
  local row = { -1 }
  local first = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')
  if first[2] then
    row[1] = math.max(0, tonumber(first[2]) - now)
    if row[1] == 0 then
      local found = redis.call('ZRANGEBYSCORE', due, '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[i + 1])
      for k = 2, #found, 2 do
        row[#row + 1] = now - tonumber(found[k])
      end
    end
  end
  reply[#reply + 1] = row
end
return reply
