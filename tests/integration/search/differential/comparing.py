"""Whether two answers to the same search agree: the same hits, the same order where it is decided, the same figures."""

from __future__ import annotations

import math
import re
from typing import Any

Answer = dict[str, Any]

SCORE_TOLERANCE = 1e-5
"""Scores are sums of 32-bit numbers, which the engines add up in different orders."""
FIGURE_TOLERANCE = 1e-12
PERCENTILE_TOLERANCE = 0.01
_LARGE = re.compile(r"-?\d\.\d+E-?\d+")


def difference(theirs: Answer, ours: Answer, *, start: int = 0) -> str | None:
    """Where two answers differ first, None where they agree. `start` is how many hits stand before the first."""
    total = theirs["hits"].get("total", {})
    cut = not (total.get("relation") == "eq" and start + len(theirs["hits"]["hits"]) >= total["value"])
    return (
        _compared(_head(theirs), _head(ours), "", FIGURE_TOLERANCE)
        or _scores(theirs["hits"].get("max_score"), ours["hits"].get("max_score"), "hits.max_score")
        or _hits(theirs["hits"]["hits"], ours["hits"]["hits"], cut_before=start > 0, cut_after=cut)
        or _compared(theirs.get("aggregations", {}), ours.get("aggregations", {}), "aggregations", FIGURE_TOLERANCE)
    )


def _head(answer: Answer) -> Answer:
    """What is said beside hits and aggregations. Elasticsearch notes when it could stop counting early."""
    hits = {key: value for key, value in answer["hits"].items() if key not in {"hits", "max_score"}}
    other = {"took", "_shards", "terminated_early", "hits", "aggregations"}
    return {key: value for key, value in answer.items() if key not in other} | {"hits": hits}


def _hits(theirs: list[Answer], ours: list[Answer], *, cut_before: bool, cut_after: bool) -> str | None:
    if len(theirs) != len(ours):
        return f"hits: {len(theirs)} and {len(ours)}"
    for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
        # At each place stands the same key of the order; which of several equal documents has it may differ.
        found = _same_keys(one, other, f"hits[{place}]")
        if found:
            return found
    ends = [*theirs[:1]] * cut_before + [*theirs[-1:]] * cut_after
    mine, others = _decided(ours, ends), _decided(theirs, ends)
    if mine.keys() != others.keys():
        there, here = sorted(others.keys() - mine.keys()), sorted(mine.keys() - others.keys())
        return f"hits: only there {there[:5]}, only here {here[:5]}"
    pairs = ((document_id, hit, mine[document_id]) for document_id, hit in others.items())
    return next((found for pair in pairs if (found := _same_document(*pair))), None)


def _decided(hits: list[Answer], ends: list[Answer]) -> dict[str, Answer]:
    """The hits by id, without those that share their place in the order with documents of another page."""
    return {hit["_id"]: hit for hit in hits if not any(_same_keys(hit, end, "") is None for end in ends)}


def _same_keys(one: Answer, other: Answer, path: str) -> str | None:
    return _scores(one.get("_score"), other.get("_score"), f"{path}._score") or _compared(
        one.get("sort"), other.get("sort"), f"{path}.sort", SCORE_TOLERANCE
    )


def _same_document(document_id: str, one: Answer, other: Answer) -> str | None:
    theirs, ours = ({key: value for key, value in hit.items() if key != "_score"} for hit in (one, other))
    return _same_keys(one, other, document_id) or _compared(theirs, ours, f"hit {document_id}", SCORE_TOLERANCE)


def _scores(one: float | None, other: float | None, path: str) -> str | None:
    if one is None or other is None:
        return None if one is other else f"{path}: {one} is not {other}"
    return None if math.isclose(one, other, rel_tol=SCORE_TOLERANCE) else f"{path}: {one} is not {other}"


def _compared(theirs: Any, ours: Any, path: str, tolerance: float) -> str | None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        theirs, ours = _with_short_numbers(theirs), _with_short_numbers(ours)
        if theirs.keys() != ours.keys():
            return f"{path}: {sorted(theirs)} is not {sorted(ours)}"
        # The percentiles of an aggregation stand below `values`, as nothing else does.
        inner = [
            (theirs[key], ours[key], f"{path}.{key}", PERCENTILE_TOLERANCE if key == "values" else tolerance)
            for key in theirs
        ]
        return next((found for one in inner if (found := _compared(*one))), None)
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"{path}: {len(theirs)} entries and {len(ours)}"
        listed = [(one, ours[place], f"{path}[{place}]", tolerance) for place, one in enumerate(theirs)]
        return next((found for one in listed if (found := _compared(*one))), None)
    if isinstance(theirs, float) and isinstance(ours, float):
        same = math.isclose(theirs, ours, rel_tol=tolerance)
    else:
        of_percentile = tolerance == PERCENTILE_TOLERANCE and path.endswith("_as_string")
        same = of_percentile or (theirs == ours and type(theirs) is type(ours))
    return None if same else f"{path}: {theirs!r} is not {ours!r}"


def _with_short_numbers(value: Answer) -> Answer:
    """Keys that are large numbers as short as they can be, which those of Java before version 19 are not always."""
    return {str(float(key)) if _LARGE.fullmatch(key) else key: inner for key, inner in value.items()}
