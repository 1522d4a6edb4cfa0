"""A search engine in this process, for machines without Elasticsearch: small data, read-only, and no wrong answers.

What it cannot answer as Elasticsearch would, it refuses by name.
"""

from response_svc.search.embedded.build import holds_index, load_index
from response_svc.search.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine", "holds_index", "load_index"]
