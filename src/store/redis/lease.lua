-- The lease of one process in this partition.
--
-- ARGV  "register", owner, lease in ms, former owner or ""   the former owner's lease ends now
--       "extend", owner, lease in ms
--       "release", owner
-- Returns 1, or 0 when there was no lease left to extend.
allow_when_full()
local owners = base .. 'owners'
local action, owner = ARGV[1], ARGV[2]

local function release(name)
  local lease = redis.call('ZSCORE', owners, name)
  if lease and tonumber(lease) > now then
    redis.call('ZADD', owners, now, name)
  end
end

if action == 'release' then
  release(owner)
  return 1
end
if action == 'extend' then
  local lease = redis.call('ZSCORE', owners, owner)
  if not lease or tonumber(lease) <= now then
    return 0
  end
elseif ARGV[4] ~= '' then
  release(ARGV[4])
end
redis.call('ZADD', owners, now + tonumber(ARGV[3]), owner)
return 1
