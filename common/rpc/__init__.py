"""The gRPC side of both services: the server, the interceptors around every call, and how errors reach the caller."""
