-- The ledger of every destination of this partition, one consistent view.
--
-- Returns per destination: name, enqueued, delivered, dead, discarded, in journals, in the queue,
-- dead letters kept, ms since the oldest overdue delivery was due (-1 if none is).
local counters = redis.call('HGETALL', base .. 'n')
local ledger, names = {}, {}
for i = 1, #counters, 2 do
  local counter, destination = string.match(counters[i], '^(%a+):(.*)$')
  if not ledger[destination] then
    ledger[destination] = { enq = 0, del = 0, dead = 0, dis = 0, journal = 0 }
    names[#names + 1] = destination
  end
  ledger[destination][counter] = tonumber(counters[i + 1])
end

for _, owner in ipairs(redis.call('ZRANGE', base .. 'owners', 0, -1)) do
  for _, entry in ipairs(redis.call('HVALS', base .. 'j:' .. owner)) do
    for destination in string.gmatch((parse_journal(entry)), '[^,]+') do
      ledger[destination].journal = ledger[destination].journal + 1
    end
  end
end

local reply = {}
for _, destination in ipairs(names) do
  local row = ledger[destination]
  local first = redis.call('ZRANGE', base .. 'z:' .. destination, 0, 0, 'WITHSCORES')
  local overdue = first[2] and now - tonumber(first[2]) or 0
  for _, value in ipairs({
    destination, row.enq, row.del, row.dead, row.dis, row.journal,
    redis.call('HLEN', base .. 'q:' .. destination),
    redis.call('ZCARD', base .. 'e:' .. destination),
    overdue > 0 and overdue or -1,
  }) do
    reply[#reply + 1] = value
  end
end
return reply
