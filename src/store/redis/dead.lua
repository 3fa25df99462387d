-- Lists dead letters of one partition, newest first; equal times by record, then destination,
-- both descending.
--
-- ARGV  destination or "", at most how many, then the place to go on from: time of death, record,
--       destination; or "" for the start
-- Returns per letter: time of death, record, destination, and the entry.
local limit = tonumber(ARGV[2])
local start_time, start_record, start_destination = ARGV[3], ARGV[4], ARGV[5]
local CHUNK = 100

local function is_past_start(time, record, destination)
  if start_time == '' or time < tonumber(start_time) then
    return true
  end
  if record ~= start_record then
    return record < start_record
  end
  return destination < start_destination
end

local found = {}
local function list(destination)
  local from = start_time == '' and '+inf' or start_time
  local offset, taken = 0, 0
  while taken < limit do
    local rows = redis.call(
      'ZREVRANGEBYSCORE', base .. 'e:' .. destination, from, '-inf', 'WITHSCORES', 'LIMIT', offset, CHUNK
    )
    if #rows == 0 then
      return
    end
    for i = 1, #rows, 2 do
      local record, time = rows[i], tonumber(rows[i + 1])
      if taken < limit and is_past_start(time, record, destination) then
        found[#found + 1] = { time = time, record = record, destination = destination }
        taken = taken + 1
      end
    end
    offset = offset + CHUNK
  end
end

if ARGV[1] ~= '' then
  list(ARGV[1])
else
  for _, field in ipairs(redis.call('HKEYS', base .. 'n')) do
    local destination = string.match(field, '^enq:(.*)$')
    if destination then
      list(destination)
    end
  end
end
table.sort(found, function(a, b)
  if a.time ~= b.time then
    return a.time > b.time
  end
  if a.record ~= b.record then
    return a.record > b.record
  end
  return a.destination > b.destination
end)

local reply = {}
for i = 1, math.min(limit, #found) do
  local letter = found[i]
  reply[#reply + 1] = string.format('%.0f', letter.time)
  reply[#reply + 1] = letter.record
  reply[#reply + 1] = letter.destination
  reply[#reply + 1] = redis.call('HGET', base .. 'd:' .. letter.destination, letter.record)
end
return reply
