"""The gRPC services of this network: each method converts, calls one use case and converts back."""
