"""How many calls a user may make in a minute, an hour and a day, counted exactly in Redis and roughly without it."""
