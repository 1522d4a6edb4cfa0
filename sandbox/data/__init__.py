"""The real data that the sandbox searches: cities of the world and flights out of New York. See ATTRIBUTION.md."""
