"""Whether each part that a service needs works, asked with a time limit, for health calls and the `check` screen."""
