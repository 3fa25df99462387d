-- Stands in front of every other script here. Time is the store's, so that no clock of a gateway
-- decides about leases or due times.
--
-- KEYS[1]  base of every key of one partition, "<prefix>:{<partition>}:". The braces put all of
--          them into one Redis Cluster slot.
-- KEYS[2]  a key of the same slot. Neither of the two ever exists. Without them a Cluster that moves
--          the slot would run a script on the new node before all keys have arrived there; two
--          declared keys that it cannot find make it answer TRYAGAIN until the move is over.
-- Below the base:
--   s:<key>   dedupe state, a string that expires with its window (format in accept.lua)
--   a:<owner>:<call> what a call of accept.lua was answered, for a minute
--   j:<owner> journal of one process: record -> "destination,destination\nbody"
--   q:<dest>  queue: record -> "attempts\nafter\nbody"; `after` is the record to wait for, or empty
--   z:<dest>  record by due time in ms; while claimed, by the end of the claim
--   c:<dest>  record -> owner that claimed it
--   d:<dest>  dead letters: record -> "attempts\ndied at\n[reason, detail]\nbody"
--   e:<dest>  record by time of death in ms
--   n         ledger: "enq:<dest>", "del:<dest>", "dead:<dest>", "dis:<dest>"
--   r:<name>  bucket of a rate (format in rates.lua)
--   owners    owner by end of its lease in ms
local base = KEYS[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function journal_of(record)
  return base .. 'j:' .. string.match(record, '^[^-]*')
end

-- Destinations and body of a journal entry.
local function parse_journal(entry)
  local line_end = string.find(entry, '\n', 1, true)
  return string.sub(entry, 1, line_end - 1), string.sub(entry, line_end + 1)
end

-- Attempts, `after` and body of a queue entry.
local function parse_queued(entry)
  local first = string.find(entry, '\n', 1, true)
  local second = string.find(entry, '\n', first + 1, true)
  return string.sub(entry, 1, first - 1),
    string.sub(entry, first + 1, second - 1),
    string.sub(entry, second + 1)
end

local function lists(destinations, destination)
  return string.find(',' .. destinations .. ',', ',' .. destination .. ',', 1, true) ~= nil
end

-- True while `record` may still be delivered to `destination`. A dead letter is not outstanding.
local function outstanding(record, destination)
  if redis.call('HEXISTS', base .. 'q:' .. destination, record) == 1 then
    return true
  end
  local entry = redis.call('HGET', journal_of(record), record)
  if not entry then
    return false
  end
  return lists((parse_journal(entry)), destination)
end

local function enqueue(destination, record, due, attempts, after, body)
  redis.call('HSET', base .. 'q:' .. destination, record, attempts .. '\n' .. after .. '\n' .. body)
  redis.call('ZADD', base .. 'z:' .. destination, due, record)
end

local counts = {}
local function count(counter, destination, change)
  local field = counter .. ':' .. destination
  counts[field] = (counts[field] or 0) + change
end
local function write_counts()
  for field, change in pairs(counts) do
    if change ~= 0 then
      redis.call('HINCRBY', base .. 'n', field, change)
    end
  end
end

-- A full Redis (noeviction) refuses a script at its first write, and only there. Scripts that end
-- work, or keep it alive, make a delete their first write: the backlog drains and frees memory.
local function allow_when_full()
  redis.call('DEL', KEYS[2])
end
