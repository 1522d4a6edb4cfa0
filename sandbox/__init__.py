"""Both networks on one machine with embedded parts, for the demonstration, for trying out and for the tests."""
