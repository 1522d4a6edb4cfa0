"""Who did what, kept for good: the audit table, and the one way to write to it."""
