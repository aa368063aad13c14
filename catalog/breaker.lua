-- One step of a route's breaker, the same for every process and by Redis' own clock. What it is for: breaker.py
--
-- KEYS[1]   a hash, route id -> a breaker as JSON. A route without one is closed and nothing is known against it.
--             failures    {{account id, when}, ...}, the latest first, since the last success
--             open_ms     for how long it was opened the last time; missing while it is closed
--             due_at      when a call is let through as a trial. Taking the trial puts it off, so a trial that is lost is only late
--             trial       the token of the trial that runs
--             forget_at   from then on the route is as one without a breaker
-- ARGV      the channel, the limits (JSON), the event, and but for "load": the route's id, the trial's token or '', the account's id
-- Answers   for "load" what is to be said of every route, else {what is to be said of this one, 1 if that is new and was published}

local hash, channel, limits, event = KEYS[1], ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function is_breaker(value)
  if type(value) ~= 'table' or type(value.forget_at) ~= 'number' then return false end
  if value.open_ms then return type(value.open_ms) == 'number' and type(value.due_at) == 'number' end
  if type(value.failures) ~= 'table' then return false end
  for _, failure in ipairs(value.failures) do
    if type(failure) ~= 'table' or type(failure[2]) ~= 'number' then return false end
  end
  return true
end

-- what somebody else has put there counts as nothing, and is written over or deleted
local function read(route)
  local json = redis.call('HGET', hash, route)
  local is_json, value = pcall(cjson.decode, json or '')
  return is_json and is_breaker(value) and value.forget_at > now and value or nil
end

local function said(route, breaker)
  if not breaker then return route .. ' closed 0' end
  if not breaker.open_ms then return string.format('%s failing %d', route, breaker.forget_at - now) end
  return string.format('%s open %d', route, math.max(breaker.due_at - now, 0))
end

if event == 'load' then
  local all = {}
  for _, route in ipairs(redis.call('HKEYS', hash)) do
    local breaker = read(route)
    if breaker then
      table.insert(all, said(route, breaker))
    else
      redis.call('HDEL', hash, route)
    end
  end
  return all
end

local route, token, account = ARGV[4], ARGV[5], ARGV[6]

local function put_off(breaker, ms)
  breaker.due_at = now + ms
  breaker.forget_at = breaker.due_at + limits.forget_ms
  return breaker
end

local function opened(ms)
  return put_off({open_ms = ms}, ms)
end

-- no account counts with all the failures it takes, so it takes two to open a breaker
local function counted(earlier)
  local failures, own = {{account, now}}, 1
  for _, failure in ipairs(earlier) do
    if failure[1] == account then own = own + 1 end
    if failure[2] > now - limits.window_ms and (failure[1] ~= account or own < limits.threshold) then
      table.insert(failures, failure)
    end
  end
  if #failures >= limits.threshold then return opened(limits.open_ms) end
  return {failures = failures, forget_at = now + limits.window_ms}
end

local breaker = read(route)
local open = breaker and breaker.open_ms
local trial = open and token ~= '' and breaker.trial == token
local news = true

if event == 'enter' and open and breaker.due_at <= now then
  breaker.trial = token
  put_off(breaker, limits.trial_ms)
elseif event == 'failed' and trial then
  breaker = opened(math.min(open * 2, limits.longest_ms))
elseif event == 'failed' and not open then
  breaker = counted(breaker and breaker.failures or {})
elseif event == 'succeeded' and breaker and (token ~= '' or not open) then
  breaker = nil
elseif event == 'dropped' and trial then
  breaker.trial = nil
  put_off(breaker, 0)
else
  news = false
end

local word = said(route, breaker)
if news then
  if breaker then
    redis.call('HSET', hash, route, cjson.encode(breaker))
    redis.call('PEXPIRE', hash, limits.longest_ms + limits.trial_ms + limits.window_ms + limits.forget_ms)
  else
    redis.call('HDEL', hash, route)
  end
  redis.call('PUBLISH', channel, word)
end
return {word, news and 1 or 0}
