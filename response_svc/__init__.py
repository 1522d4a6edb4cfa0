"""The Response Network's service: the master of users and settings, which executes requests."""
