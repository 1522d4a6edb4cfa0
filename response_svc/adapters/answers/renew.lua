-- Keeps a flight for those who wait, if it is still the leader's. KEYS: flight. ARGV: its value, milliseconds.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
