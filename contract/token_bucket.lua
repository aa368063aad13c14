-- Takes a token from every bucket of a question, or from none. For many questions, one after another. What it is for: token_bucket.py
--
-- KEYS      the buckets of the first question, of the second, ...: strings "debt:at". A bucket without one is full.
--             debt    the tokens taken and not yet grown back, each counted as its period in microseconds: whole numbers only
--             at      when that was so, in microseconds of Redis' own clock
-- ARGV      per question: how many buckets, and of each the tokens it holds and the microseconds in which so many grow back
-- Answers   a word per question, "0:0" or "n:w": the n-th of its buckets is the last to have a token again, in w microseconds

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- what somebody else has put there counts as nothing, and is written over
local function owed(bucket)
  local value = redis.pcall('GET', bucket.key)
  local debt, at = string.match(type(value) == 'string' and value or '', '^(%d+):(%d+)$')
  if not debt then return 0 end
  local grown = math.max(now - tonumber(at), 0) * bucket.most
  -- never more than it holds: staff may have made it smaller
  return math.max(math.min(tonumber(debt), bucket.most * bucket.period) - grown, 0)
end

local words, key, argument = {}, 1, 1
while argument <= #ARGV do
  local buckets, last, wait = {}, 0, 0
  for number = 1, tonumber(ARGV[argument]) do
    local bucket = {key = KEYS[key], most = tonumber(ARGV[argument + 1]), period = tonumber(ARGV[argument + 2])}
    bucket.debt = owed(bucket) + bucket.period
    local missing = math.ceil((bucket.debt - bucket.most * bucket.period) / bucket.most)
    if missing > wait then last, wait = number, missing end
    buckets[number] = bucket
    key, argument = key + 1, argument + 2
  end
  argument = argument + 1
  if wait == 0 then
    for _, bucket in ipairs(buckets) do
      local full_in_ms = math.ceil(bucket.debt / bucket.most / 1000)
      redis.call('SET', bucket.key, string.format('%.0f:%.0f', bucket.debt, now), 'PX', full_in_ms)
    end
  end
  table.insert(words, string.format('%d:%.0f', last, wait))
end
return table.concat(words, ' ')
