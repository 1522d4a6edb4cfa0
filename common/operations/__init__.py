"""What operators and transfer stations ask of a running service: runs on demand, and bundles over the wire."""
