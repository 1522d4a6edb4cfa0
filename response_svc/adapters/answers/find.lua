-- One look-up: the kept answer, else the flight to wait for, else a new flight of which the caller is the leader.
-- Counts what was asked, and lets an answer that many ask for live longer.
-- KEYS: generation of all, generation of the index, askings, entry, flight, look-ups of this time
-- ARGV: token (its first bytes are a generation, should one be missing), now in milliseconds (0: by this server),
--       milliseconds that the answer lives if it is hot, 1 to count
-- Returns what it found, the generation, and the entry or the flight's token.
local token = ARGV[1]
local every, own, noted, entry, flight = unpack(redis.call('MGET', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]))

-- A generation that was lost, or never was, is made anew: then nothing that was kept before is found again. It has no
-- end, so that a server whose memory is full drops answers one by one instead of all at once by their generation.
local function made_generation(key)
  local generation = string.sub(token, 1, GENERATION_BYTES)
  redis.call('SET', key, generation)
  return generation
end

local generation = (every or made_generation(KEYS[1])) .. (own or made_generation(KEYS[2]))
local size = #generation
local counts = ARGV[4] == '1'

local function count(outcome)
  if counts and redis.call('HINCRBY', KEYS[6], outcome, 1) == 1 then
    redis.call('EXPIRE', KEYS[6], COUNTED_SECONDS)
  end
end

local now = tonumber(ARGV[2])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The times of the last askings, of this generation and within the window, as many as make hot.
local function note_asking()
  local first = size + 1
  if not noted or string.sub(noted, 1, size) ~= generation then
    noted = generation
  end
  while #noted >= first + 7 and
    (struct.unpack('>I8', noted, first) <= now - HOT_WINDOW or (#noted - size) / 8 >= HOT_COUNT) do
    noted = generation .. string.sub(noted, first + 8)
  end
  noted = noted .. struct.pack('>I8', now)
  redis.call('SET', KEYS[3], noted, 'PX', HOT_WINDOW)
  return (#noted - size) / 8 >= HOT_COUNT
end

local hot = counts and note_asking()
-- A layout version, the generation, when the answer was kept, and twelve bytes that are not for here.
if entry and #entry >= size + 21 and string.byte(entry) == LAYOUT and string.sub(entry, 2, size + 1) == generation then
  if hot then
    local left = struct.unpack('>I8', entry, size + 2) + tonumber(ARGV[3]) - now
    if left > redis.call('PTTL', KEYS[4]) then
      redis.call('PEXPIRE', KEYS[4], left)
    end
  end
  count('hit')
  return {'hit', generation, entry}
end

-- The caller's own token is there when this look-up is repeated because its first answer was lost.
if flight and string.sub(flight, 1, size) == generation and flight ~= generation .. token then
  count('joined')
  return {'joined', generation, string.sub(flight, size + 1)}
end
redis.call('SET', KEYS[5], generation .. token, 'PX', FLIGHT_MILLISECONDS)
count('miss')
return {'miss', generation, token}
