"""The gRPC handlers that both services offer alike: sign-in, health, operations and the transfer of bundles."""
