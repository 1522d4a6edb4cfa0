"""Who calls and what he may do: passwords, tokens, sessions, roles. Where accounts lie is each service's own matter."""
