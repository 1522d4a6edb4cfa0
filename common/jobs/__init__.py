"""Background work: the broker, the scheduler, and runs that are one at a time, recorded and safe to repeat."""
