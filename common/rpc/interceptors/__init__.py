"""What surrounds every call, outermost first: request id, errors, access log and metrics, sign-in, validation."""
