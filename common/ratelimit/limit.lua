-- Counts one call against sliding windows, or refuses it: one atomic step, so that no call is let in wrongly.
--
-- KEYS[1]  a list of pairs (time, number): when a call was accepted, and how many had been accepted by then. The first pair
--          is the base from which the others are counted; its own calls have left every window.
-- ARGV     cost, width of an entry (0: each call has its own), now (0: this server's clock, so that the hosts' clocks do not
--          matter), and for each window, the longest first: its length, its limit, and its cap. Times are microseconds.
-- Returns  1 or 0 for accepted, the wait (-1: for ever), and for each window what is used and when some of it comes back.
local key = KEYS[1]
local cost, width, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if now == 0 then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Lua would write great numbers as 1.7e+15.
local function whole(number)
  return string.format('%.0f', number)
end

local function time_at(place)
  return tonumber(redis.call('LINDEX', key, 2 * place))
end

local function total_at(place)
  return tonumber(redis.call('LINDEX', key, 2 * place + 1))
end

-- The newest place from `low` on whose time is `moment` or earlier; `low` itself where there is none.
local function newest_until(moment, low, high)
  while low < high do
    local middle = math.floor((low + high + 1) / 2)
    if time_at(middle) <= moment then low = middle else high = middle - 1 end
  end
  return low
end

local last = redis.call('LLEN', key) / 2 - 1

-- The same from `low` to the end, for what is found near the beginning: since the last call few have left the longest window.
local function from_the_front(moment, low)
  local step = 1
  while low + step <= last and time_at(low + step) <= moment do
    low, step = low + step, 2 * step
  end
  return newest_until(moment, low, math.min(last, low + step - 1))
end

-- The same, for what is found near the end: a short window holds the latest few.
local function from_the_back(moment, low)
  local high, step, beyond = last, 1, last + 1
  while high > low and time_at(high) > moment do
    high, step, beyond = high - step, 2 * step, high
  end
  return newest_until(moment, math.max(low, high), beyond - 1)
end

local total = 0
if last >= 0 then
  total = total_at(last)
end

-- This server's clock was set back: what would lie in the future counts as of now, so that nobody waits for that time.
if last > 0 and time_at(last) > now then
  local place = newest_until(now, 0, last)
  redis.call('LTRIM', key, 0, 2 * place + 1)
  redis.call('RPUSH', key, whole(now), whole(total))
  last = place + 1
end

-- How long until `amount` of the calls after `base` have left the window. The call in hand is the last to leave.
local function wait(window, amount)
  local low, high = window.base + 1, last + 1
  while amount > 1 and low < high do
    local middle = math.floor((low + high) / 2)
    if total_at(middle) - window.before >= amount then high = middle else low = middle + 1 end
  end
  return low > last and window.length or time_at(low) + window.length - now
end

local windows, longest_wait, base = {}, 0, last < 0 and -1 or 0
for place = 4, #ARGV, 3 do
  local window = {length = tonumber(ARGV[place]), limit = tonumber(ARGV[place + 1]), cap = tonumber(ARGV[place + 2])}
  if last > 0 then
    base = (place == 4 and from_the_front or from_the_back)(now - window.length, base)
  end
  window.base = base
  window.before = last < 0 and 0 or total_at(base)
  window.used = total - window.before
  local excess = window.used + cost - window.cap
  if cost > window.cap then
    longest_wait = -1
  elseif excess > 0 and longest_wait >= 0 then
    longest_wait = math.max(longest_wait, wait(window, excess))
  end
  windows[#windows + 1] = window
end

local accepted = longest_wait == 0
local reply = {accepted and 1 or 0, longest_wait}
for _, window in ipairs(windows) do
  local used = window.used + (accepted and cost or 0)
  local surplus = math.max(1, used - window.limit + 1)
  reply[#reply + 1] = used
  reply[#reply + 1] = used > 0 and wait(window, surplus) or 0
end

if accepted then
  local settled = windows[1].base
  if last < 0 then
    redis.call('RPUSH', key, 0, 0)
  elseif settled > 0 then
    redis.call('LTRIM', key, 2 * settled, -1)
  end
  if width > 0 and last > math.max(settled, 0) and math.floor(time_at(-1) / width) == math.floor(now / width) then
    redis.call('LSET', key, -2, whole(now))
    redis.call('LSET', key, -1, whole(total + cost))
  else
    redis.call('RPUSH', key, whole(now), whole(total + cost))
  end
  redis.call('PEXPIRE', key, whole(windows[1].length / 1000 + 1000))
end
return reply
