"""What the service does for its callers, one act a module: rules, one transaction, a value or one of our errors."""
