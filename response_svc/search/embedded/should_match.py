"""`minimum_should_match` in all its spellings: 2, -1, 75%, -25%, and `2<-25% 9<-3`."""

from __future__ import annotations

import re

from response_svc.search.embedded.refusals import refused


def required_matches(spec: str, clauses: int) -> int:
    """How many of so many optional clauses must match; never below 0."""
    spec = re.sub(r"\s*<\s*", "<", spec.strip())
    if "<" not in spec:
        return max(0, _simple(spec, clauses))
    result = clauses
    for condition in spec.split():
        bound, _, then = condition.partition("<")
        if not re.fullmatch(r"-?\d{1,9}", bound):
            raise refused(f"minimum_should_match [{spec}] is malformed")
        if clauses <= int(bound):
            return result
        result = max(0, _simple(then, clauses))
    return result


def _simple(spec: str, clauses: int) -> int:
    number = re.fullmatch(r"(-?\d{1,9})(%?)", spec)
    if number is None:
        raise refused(f"minimum_should_match [{spec}] is malformed")
    value = int(number[1])
    if number[2]:
        value = int(clauses * value / 100)
        return clauses + value if number[1].startswith("-") else value
    return clauses + value if value < 0 else value
