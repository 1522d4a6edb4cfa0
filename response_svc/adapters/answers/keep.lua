-- Keeps an answer and ends its flight. An answer that was asked for before everything was forgotten is not kept.
-- KEYS: generation of all, generation of the index, askings, entry, flight
-- ARGV: generation, token, now in milliseconds (0: by this server), the entry's bytes before and after that time,
--       milliseconds that the answer lives, and lives if it is hot
-- Returns 1 if the answer is kept.
local generation = ARGV[1]
local every, own, noted, flight = unpack(redis.call('MGET', KEYS[1], KEYS[2], KEYS[3], KEYS[5]))
local kept = 0

local function is_hot(now)
  local recent = 0
  if noted and string.sub(noted, 1, #generation) == generation then
    for place = #generation + 1, #noted - 7, 8 do
      if struct.unpack('>I8', noted, place) > now - HOT_WINDOW then
        recent = recent + 1
      end
    end
  end
  return recent >= HOT_COUNT
end

if (every or '') .. (own or '') == generation then
  local now = tonumber(ARGV[3])
  if now == 0 then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local entry = ARGV[4] .. struct.pack('>I8', now) .. ARGV[5]
  redis.call('SET', KEYS[4], entry, 'PX', is_hot(now) and ARGV[7] or ARGV[6])
  kept = 1
end
if flight == generation .. ARGV[2] then
  redis.call('DEL', KEYS[5])
end
return kept
