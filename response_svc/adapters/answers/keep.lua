-- Keeps an answer and ends its flight. An answer that was asked for before everything was forgotten is not kept.
-- KEYS: generation of all, generation of the index, entry, askings, flight
-- ARGV: generation, token, now in milliseconds (0: by this server), the entry's bytes before and after that time,
--       milliseconds that the answer lives, and lives if hot, askings that make hot, milliseconds in which they lie
-- Returns 1 if the answer is kept.
local generation = ARGV[1]
local kept = 0
if (redis.call('GET', KEYS[1]) or '') .. (redis.call('GET', KEYS[2]) or '') == generation then
  local now = tonumber(ARGV[3])
  if now == 0 then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  local noted = redis.call('GET', KEYS[4]) or ''
  local recent = 0
  if string.sub(noted, 1, #generation) == generation then
    for place = #generation + 1, #noted - 7, 8 do
      if struct.unpack('>I8', noted, place) > now - tonumber(ARGV[9]) then
        recent = recent + 1
      end
    end
  end
  local life = recent >= tonumber(ARGV[8]) and ARGV[7] or ARGV[6]
  redis.call('SET', KEYS[3], ARGV[4] .. struct.pack('>I8', now) .. ARGV[5], 'PX', life)
  kept = 1
end
if redis.call('GET', KEYS[5]) == generation .. ARGV[2] then
  redis.call('DEL', KEYS[5])
end
return kept
