-- Ends a flight that brought no kept answer, and tells those who wait for it what came instead.
-- KEYS: flight, end of that flight. ARGV: the flight's value, what came (empty: nothing is told), its milliseconds.
if ARGV[2] ~= '' then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
end
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
