"""The search engines behind the port: Elasticsearch, and the embedded one for machines without it."""
