"""The ports' other side: PostgreSQL, Redis and the bundles' rows. Only these modules import a client library."""
