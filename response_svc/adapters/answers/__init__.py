"""Answers that are kept in Redis, and executions that are shared by way of it."""
