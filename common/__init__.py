"""What both services run on: settings, database, sign-in, jobs, batches and the rules of the query language."""
