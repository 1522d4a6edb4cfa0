"""What users, incoming requests and their answers are, and which changes are allowed; nothing here does I/O."""
