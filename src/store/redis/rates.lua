-- Buckets of rates that all gateways share: r:<name> = "tokens ms". They hold one second's worth and
-- fill at the rate; what was let through too much leaves them below 0.
--
-- ARGV  name, tokens a second, tokens taken since the last call; for each bucket
-- Returns the tokens left in each, as text.
local left = {}
for i = 1, #ARGV, 3 do
  local bucket = base .. 'r:' .. ARGV[i]
  local rate, taken = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local tokens = rate
  local known = redis.call('GET', bucket)
  if known then
    local before, at = string.match(known, '^(%S+) (%S+)$')
    local passed = math.max(0, now - tonumber(at))
    tokens = math.min(rate, tonumber(before) + passed * rate / 1000)
  end
  -- A second is the longest that anybody pays for what others were let through.
  tokens = math.max(tokens - taken, -rate)
  left[#left + 1] = string.format('%.3f', tokens)
  -- After two seconds it is full, and the same as none.
  redis.call('SET', bucket, string.format('%.3f %.0f', tokens, now), 'PX', 2000)
end
return left
