"""Rehearsals: both networks, a moved clock and a courier who does everything wrong, from one number, the seed."""
