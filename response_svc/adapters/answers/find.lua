-- One look-up: the kept answer, else the flight to wait for, else a new flight of which the caller is the leader.
-- Counts what was asked, and lets an answer that many ask for live longer.
-- KEYS: generation of all, generation of the index, entry, askings, flight, look-ups of this time
-- ARGV: a random generation, seconds of a generation, now in milliseconds (0: by this server), token,
--       milliseconds of a flight, askings that make hot, milliseconds in which they must lie,
--       milliseconds that a hot answer lives, 1 to count, seconds of the look-ups
-- Returns what it found, the generation, and the entry or the flight's token.

-- A generation that was lost, or never was, is made anew: then nothing that was kept before is found again.
local function generation_at(key)
  local generation = redis.call('GET', key)
  if not generation then
    generation = ARGV[1]
    redis.call('SET', key, generation, 'EX', ARGV[2])
  end
  return generation
end

local generation = generation_at(KEYS[1]) .. generation_at(KEYS[2])
local size = #generation
local now = tonumber(ARGV[3])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local counts = ARGV[9] == '1'

local function count(outcome)
  if counts and redis.call('HINCRBY', KEYS[6], outcome, 1) == 1 then
    redis.call('EXPIRE', KEYS[6], ARGV[10])
  end
end

-- The times of the last askings, of this generation and within the window, as many as make hot.
local function note_asking()
  local wanted, window = tonumber(ARGV[6]), tonumber(ARGV[7])
  local noted = redis.call('GET', KEYS[4]) or ''
  local first = size + 1
  if string.sub(noted, 1, size) ~= generation then
    noted = generation
  end
  while #noted >= first + 7 and
    (struct.unpack('>I8', noted, first) <= now - window or (#noted - first + 1) / 8 >= wanted) do
    first = first + 8
  end
  noted = generation .. string.sub(noted, first) .. struct.pack('>I8', now)
  redis.call('SET', KEYS[4], noted, 'PX', window)
  return (#noted - size) / 8 >= wanted
end

local hot = counts and note_asking()
local entry = redis.call('GET', KEYS[3])
-- A layout version, the generation, when the answer was kept, and twelve bytes that are not for here.
if entry and #entry >= size + 21 and string.byte(entry) == 3 and string.sub(entry, 2, size + 1) == generation then
  if hot then
    local left = struct.unpack('>I8', entry, size + 2) + tonumber(ARGV[8]) - now
    if left > redis.call('PTTL', KEYS[3]) then
      redis.call('PEXPIRE', KEYS[3], left)
    end
  end
  count('hit')
  return {'hit', generation, entry}
end

-- The caller's own token is there when this look-up is repeated because its first answer was lost.
local flight = redis.call('GET', KEYS[5])
if flight and string.sub(flight, 1, size) == generation and flight ~= generation .. ARGV[4] then
  count('joined')
  return {'joined', generation, string.sub(flight, size + 1)}
end
redis.call('SET', KEYS[5], generation .. ARGV[4], 'PX', ARGV[5])
count('miss')
return {'miss', generation, ARGV[4]}
