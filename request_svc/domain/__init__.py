"""What a request is and which steps it may take: values and pure functions, without database, clock or network."""
