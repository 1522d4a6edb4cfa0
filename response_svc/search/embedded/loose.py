"""Types that the checker cannot follow: values from JSON, and messages whose kind a table has chosen."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""A value of a document or a query, of whatever type JSON has."""

Message: TypeAlias = Any
"""A clause or an aggregation; the table that names the function knows its type."""
