-- Dedupe state, journal, queue entries and ledger of a batch of postbacks of one partition.
-- The verdict is that of decide.ts, in the same order.
--
-- ARGV  owner, number of this call, number of shapes, the shapes,
--       then per entry: key, record, shape, amount, body
-- shape "window ms\tstatus\tmode\tallow\tdestination\thold\tdelay ms\tdestination..."
--       status is one letter; mode i, u or a; allow "r>a,d>a"; hold m or q
-- state "<status><first>\n<last>\n<amount\tamount>\n<destination=record,destination>"
--       an empty `last` is `first`; a lane without a record is at `last`
-- Returns nil when the owner has no lease here (nothing was written), else one word per entry:
-- n, u, d, s or c; with ":destination,destination" where memory gets other than it asked for.
local RANK = { p = 0, h = 1, a = 2, d = 2, r = 3 }
-- Longer than any client tries to get an answer.
local ANSWER_MS = 60000

local owner = ARGV[1]
local lease = redis.call('ZSCORE', base .. 'owners', owner)
if not lease or tonumber(lease) <= now then
  return false
end
local journal = base .. 'j:' .. owner

-- A call comes again where its answer was lost on the way, and gets that answer. Decided anew, its
-- postbacks would come after those that came after them.
local call = base .. 'a:' .. owner .. ':' .. ARGV[2]
local answered = redis.call('GET', call)
if answered then
  return answered
end

local function parse_shape(text)
  local parts = {}
  for part in string.gmatch(text .. '\t', '([^\t]*)\t') do
    parts[#parts + 1] = part
  end
  local shape = { window = parts[1], status = parts[2], mode = parts[3], allow = parts[4], places = {} }
  local memory = {}
  for i = 5, #parts - 2, 3 do
    local place = { destination = parts[i], memory = parts[i + 1] == 'm', delay = tonumber(parts[i + 2]) }
    shape.places[#shape.places + 1] = place
    if place.memory then
      memory[#memory + 1] = place.destination
    end
  end
  shape.asked = table.concat(memory, ',')
  return shape
end

local shapes = {}
for i = 1, tonumber(ARGV[3]) do
  shapes[i] = parse_shape(ARGV[3 + i])
end

local function parse_state(text)
  local status, first, last, amounts, lanes_text =
    string.match(text, '^(.)([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
  if last == '' then
    last = first
  end
  local lanes = {}
  for destination, record in string.gmatch(lanes_text, '([^=,]+)=?([^,]*)') do
    lanes[destination] = record == '' and last or record
  end
  return { status = status, first = first, last = last, amounts = amounts, lanes = lanes }
end

local function write_state(key, state, window)
  local lanes = {}
  for destination, record in pairs(state.lanes) do
    lanes[#lanes + 1] = record == state.last and destination or (destination .. '=' .. record)
  end
  local last = state.last == state.first and '' or state.last
  redis.call(
    'SET', base .. 's:' .. key,
    state.status .. state.first .. '\n' .. last .. '\n' .. state.amounts .. '\n' .. table.concat(lanes, ','),
    'PX', window
  )
end

local function same_amount(state, amount, mode)
  if amount == '' then
    return true
  end
  if mode == 'a' then
    return string.find('\t' .. state.amounts .. '\t', '\t' .. amount .. '\t', 1, true) ~= nil
  end
  return string.match(state.amounts, '[^\t]*$') == amount
end

local function decide(state, shape, amount)
  if state.status == shape.status then
    if same_amount(state, amount, shape.mode) then
      return 'd'
    end
    return shape.mode == 'i' and 'c' or 'u'
  end
  if lists(shape.allow, state.status .. '>' .. shape.status) then
    return 'u'
  end
  return RANK[shape.status] >= RANK[state.status] and 'u' or 's'
end

local function advance(state, record, shape, amount)
  if shape.mode == 'a' and state.status == shape.status then
    state.amounts = state.amounts == '' and amount or state.amounts .. '\t' .. amount
  elseif amount ~= '' then
    state.amounts = amount
  else
    state.amounts = string.match(state.amounts, '[^\t]*$')
  end
  state.status = shape.status
  state.last = record
  for _, place in ipairs(shape.places) do
    state.lanes[place.destination] = record
  end
end

local function answer(verdict, memory, shape)
  if memory == shape.asked then
    return verdict
  end
  return verdict .. ':' .. memory
end

-- Writes journal and queue entries; returns the destinations that memory gets.
local function place(record, shape, body, after)
  local memory = {}
  for i, placed in ipairs(shape.places) do
    local wait_for = after and after[i] or ''
    if placed.memory and wait_for == '' then
      memory[#memory + 1] = placed.destination
    else
      enqueue(placed.destination, record, now + placed.delay, '0', wait_for, body)
    end
    count('enq', placed.destination, 1)
  end
  local destinations = table.concat(memory, ',')
  if destinations ~= '' then
    redis.call('HSET', journal, record, destinations .. '\n' .. body)
  end
  return destinations
end

-- A call of nothing but new conversions keeps no answer: their states show that they were written.
local all_new = true

local function accept(key, record, shape, amount, body)
  local text = redis.call('GET', base .. 's:' .. key)
  if not text then
    write_state(key, { status = shape.status, first = record, last = record, amounts = amount, lanes = {} }, shape.window)
    return answer('n', place(record, shape, body), shape)
  end
  local state = parse_state(text)
  if state.first == record then
    local entry = redis.call('HGET', journal, record)
    return answer('n', entry and parse_journal(entry) or '', shape)
  end
  all_new = false
  local verdict = decide(state, shape, amount)
  if verdict ~= 'u' then
    return verdict
  end
  -- Only an update can have a predecessor, so only an update pays for looking.
  local after = {}
  for i, placed in ipairs(shape.places) do
    local predecessor = state.lanes[placed.destination] or state.first
    after[i] = outstanding(predecessor, placed.destination) and predecessor or ''
  end
  advance(state, record, shape, amount)
  write_state(key, state, shape.window)
  return answer('u', place(record, shape, body, after), shape)
end

local answers = {}
for i = 4 + #shapes, #ARGV, 5 do
  answers[#answers + 1] =
    accept(ARGV[i], ARGV[i + 1], shapes[tonumber(ARGV[i + 2])], ARGV[i + 3], ARGV[i + 4])
end
write_counts()
local text = table.concat(answers, ' ')
if not all_new then
  redis.call('SET', call, text, 'PX', ANSWER_MS)
end
return text
