"""The query language that Airlock carries: reading a pasted body, writing the engine's, and the rules between them."""
