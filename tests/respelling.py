"""The same search in the other spellings that Elasticsearch takes: short forms, aliases, keys in any order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from random import Random

Json = Any

_SHORT: Final = {
    "match": "query",
    "match_phrase": "query",
    "term": "value",
    "prefix": "value",
    "wildcard": "value",
    "fuzzy": "value",
}
_ALIASES: Final = {"aggs": "aggregations", "includes": "include", "excludes": "exclude"}
_LISTS: Final = frozenset(
    {
        "must",
        "filter",
        "should",
        "must_not",
        "sort",
        "pre_tags",
        "post_tags",
        "order",
        "percents",
        "includes",
        "excludes",
    }
)
_WORDS: Final = frozenset(
    {"operator", "zero_terms_query", "relation", "mode", "type", "collect_mode", "execution_hint"}
)


def respelled(body: bytes, random: Random) -> bytes:
    """Another text of the same search. Names of fields and aggregations must not be keys of the language."""
    tree = _spelled(json.loads(body), random)
    return json.dumps(tree, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2))).encode()


def _spelled(value: Json, random: Random) -> Json:
    if isinstance(value, list):
        return [_spelled(inner, random) for inner in value]
    if not isinstance(value, dict):
        return value
    items = [_entry(key, inner, random) for key, inner in value.items()]
    random.shuffle(items)
    return dict(items)


def _entry(key: str, value: Json, random: Random) -> tuple[str, Json]:
    """One key and its value; of what may be said shorter, each with an even chance."""
    shorter = random.random() < 0.5
    inner = _spelled(value, random)
    if key == "sort":
        inner = [_sort(one) if shorter else one for one in inner]
    if key in _SHORT and isinstance(inner, dict) and len(inner) == 1 and shorter:
        [(name, options)] = inner.items()
        if isinstance(options, dict) and options.keys() == {_SHORT[key]} and options[_SHORT[key]] is not None:
            inner = {name: options[_SHORT[key]]}
    elif key == "_source" and isinstance(inner, dict) and inner.keys() == {"includes"} and shorter:
        inner = inner["includes"]
    elif key in _LISTS and isinstance(inner, list) and len(inner) == 1 and shorter:
        inner = inner[0]
    elif key in _WORDS and isinstance(inner, str) and shorter:
        inner = inner.upper()
    elif key == "fuzziness" and shorter:
        inner = int(inner) if inner.isdecimal() else inner.lower()
    elif key == "minimum_should_match" and inner.lstrip("-").isdecimal() and shorter:
        inner = int(inner)
    return (_ALIASES.get(key, key) if random.random() < 0.5 else key), inner


def _sort(one: Json) -> Json:
    if isinstance(one, dict):
        [(name, options)] = one.items()
        if isinstance(options, dict) and options.keys() == {"order"}:
            return {name: options["order"]}
    return one
