"""The 200 questions of the demo: every kind of query and aggregation, over both indices, Persian text among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNT = 200
Json = dict[str, Any]

PERSIAN_CITIES = ("تهران", "شیراز", "اصفهان", "مشهد", "تبریز", "کرمان", "یزد", "رشت", "همدان", "اهواز", "قم", "کابل")
WORLD_CITIES = (
    "London",
    "Paris",
    "San José",
    "Santiago",
    "Springfield",
    "Victoria",
    "Córdoba",
    "Hyderabad",
    "Valencia",
)
MISSPELT = ("Tehrn", "Shirz", "Lodnon", "Berlim", "Istambul", "Moskow", "Tokio", "Bejing")
COUNTRIES = ("IR", "AF", "TJ", "FR", "DE", "JP", "BR", "US", "IN", "NG")
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX")
AIRPORTS = ("LAX", "ORD", "ATL", "BOS", "SFO", "MIA", "DEN", "SEA")
MONTHS = tuple(f"2013-{month:02}" for month in range(1, 13))


@dataclass(frozen=True, slots=True)
class Question:
    """One search as a person would paste it."""

    index: str
    body: bytes


def questions() -> list[Question]:
    """The 200 questions, always the same and in the same order."""
    made = [*_text(), *_exact(), *_patterns(), *_combined(), *_terms_and_metrics(), *_histograms(), *_filters()]
    assert len(made) == COUNT, f"there are {len(made)} questions"
    return made


def _ask(index: str, query: Json | None = None, **rest: Any) -> Question:  # noqa: ANN401 - any part of a search body.
    body = ({"query": query} if query is not None else {}) | rest
    return Question(index, json.dumps(body, ensure_ascii=False).encode())


def _text() -> Iterator[Question]:
    for name in PERSIAN_CITIES:
        yield _ask("cities", {"match": {"alternate_names": name}}, size=5)
    for name in WORLD_CITIES:
        yield _ask("cities", {"match": {"name": {"query": name, "operator": "and"}}}, size=10)
    for name in PERSIAN_CITIES[:6]:
        fields = ["name", "alternate_names", "country"]
        yield _ask("cities", {"multi_match": {"query": f"{name} Iran", "fields": fields}}, size=3)
    for word in ("Boeing Intl", "Los Angeles", "Chicago Ohare", "Fort Lauderdale"):
        fields = ["destination_name", "manufacturer"]
        yield _ask("flights", {"multi_match": {"query": word, "fields": fields, "type": "best_fields"}}, size=4)
    for phrase in ("San Francisco", "Los Angeles", "Charlotte Douglas", "Fort Lauderdale"):
        yield _ask("flights", {"match_phrase": {"destination_name": phrase}}, size=3)
    for phrase in ("New York", "Rio de Janeiro", "شهرک قدس", "Cape Town"):
        yield _ask("cities", {"match_phrase": {"alternate_names": phrase}}, size=3)


def _exact() -> Iterator[Question]:
    for code in COUNTRIES:
        order: list[Json] = [{"population": "desc"}, {"name.keyword": "asc"}]
        yield _ask("cities", {"term": {"country_code": code}}, size=5, sort=order, _source=["name", "population"])
    for carrier in CARRIERS:
        yield _ask("flights", {"term": {"carrier": {"value": carrier}}}, size=2, sort=["scheduled_departure"])
    yield _ask("cities", {"term": {"is_capital": True}}, size=20, sort=[{"population": {"order": "desc"}}])
    yield _ask("flights", {"term": {"cancelled": True}}, size=0)
    for languages in (["fa-IR"], ["fa-AF", "ps"], ["tg"], ["ja", "ko-KR"], ["fr-FR", "it-IT"]):
        yield _ask("cities", {"terms": {"languages": languages}}, size=5, sort=[{"population": "desc"}])
    for airport in AIRPORTS[:7]:
        yield _ask("flights", {"terms": {"destination": [airport, "IAH"]}}, size=1, sort=[{"flight_number": "asc"}])
    for low, high in ((1_000_000, 2_000_000), (5_000_000, None), (None, 16_000), (123_456, 130_000)):
        bounds = {key: value for key, value in (("gte", low), ("lt", high)) if value is not None}
        yield _ask("cities", {"range": {"population": bounds}}, size=5, sort=[{"population": "asc"}])
    for month in MONTHS:
        days = {"gte": f"{month}-10T00:00:00Z", "lt": f"{month}-12T00:00:00Z"}
        yield _ask("flights", {"range": {"scheduled_departure": days}}, size=3, sort=["scheduled_departure"])
    for delay in (60, 120, 300):
        order = [{"departure_delay": "desc"}, {"flight_number": "asc"}]
        yield _ask("flights", {"range": {"departure_delay": {"gt": delay}}}, size=5, sort=order)


def _patterns() -> Iterator[Question]:
    for pattern in ("Teh*", "Sh?raz", "*abad", "San*", "K*stan", "تهر*"):
        field = "alternate_names.keyword" if not pattern.isascii() else "name.keyword"
        yield _ask("cities", {"wildcard": {field: {"value": pattern}}}, size=5, sort=[{"name.keyword": "asc"}])
    for pattern in ("N1*", "N?3*AA", "*JB"):
        yield _ask("flights", {"wildcard": {"tail_number": pattern}}, size=3, sort=[{"tail_number": "asc"}])
    for name in MISSPELT:
        yield _ask("cities", {"fuzzy": {"alternate_names": {"value": name.lower(), "fuzziness": "AUTO"}}}, size=3)
    for prefix in ("asia/te", "Asia/Te", "Europe/", "America/Argentina/"):
        yield _ask("cities", {"prefix": {"timezone": prefix}}, size=3, sort=[{"population": "desc"}])
    for prefix in ("737", "A3"):
        yield _ask("flights", {"prefix": {"model": {"value": prefix}}}, size=2, sort=[{"flight_number": "desc"}])
    for field in ("tail_number", "arrival_delay", "miles_per_hour"):
        yield _ask("flights", {"bool": {"must_not": [{"exists": {"field": field}}]}}, size=0)
    yield _ask("cities", {"exists": {"field": "alternate_names"}}, size=0, track_total_hits=True)
    yield _ask(
        "cities", {"ids": {"values": ["112931", "115019", "99072", "1"]}}, size=10, sort=[{"name.keyword": "asc"}]
    )
    yield _ask("cities", {"match_all": {}}, size=10, sort=[{"population": "desc"}, {"name.keyword": "asc"}])


def _combined() -> Iterator[Question]:
    for code in COUNTRIES[:5]:
        wanted = {
            "must": [{"range": {"population": {"gte": 200_000}}}],
            "filter": [{"term": {"country_code": code}}],
            "must_not": [{"term": {"is_capital": True}}],
        }
        yield _ask("cities", {"bool": wanted}, size=5, sort=[{"population": "desc"}])
    for first, second in zip(PERSIAN_CITIES[:5], PERSIAN_CITIES[5:10], strict=True):
        either = [{"match": {"alternate_names": first}}, {"match": {"alternate_names": second}}]
        yield _ask("cities", {"bool": {"should": either, "minimum_should_match": 1}}, size=4)
    for carrier, airport in zip(CARRIERS[:6], AIRPORTS[:6], strict=True):
        filters: list[Json] = [{"term": {"carrier": carrier}}, {"term": {"destination": airport}}]
        late = {"range": {"arrival_delay": {"gt": 0}}}
        order = [{"arrival_delay": "desc"}, {"scheduled_departure": "asc"}]
        yield _ask("flights", {"bool": {"filter": filters, "must": [late]}}, size=5, sort=order)
    for start in (0, 10, 20):
        order = [{"latitude": "desc"}, {"name.keyword": "asc"}]
        yield _ask("cities", {"term": {"continent": "Asia"}}, **{"from": start, "size": 10, "sort": order})
    yield _ask("cities", {"match": {"name": "Tehran"}}, size=1, _source={"excludes": ["alternate_names"]})
    yield _ask("cities", {"match": {"name": "Mashhad"}}, size=1, _source=False)


def _terms_and_metrics() -> Iterator[Question]:
    for field in ("continent", "country_code", "timezone", "languages", "is_capital"):
        yield _ask("cities", size=0, aggs={"groups": {"terms": {"field": field, "size": 8}}})
    for field in ("carrier", "origin", "destination", "manufacturer.keyword"):
        inner = {"late": {"avg": {"field": "departure_delay"}}}
        yield _ask("flights", size=0, aggs={"groups": {"terms": {"field": field, "size": 5}, "aggs": inner}})
    for metric in ("avg", "min", "max", "sum", "stats", "value_count"):
        yield _ask("cities", size=0, aggs={"people": {metric: {"field": "population"}}})
        yield _ask("flights", size=0, aggs={"delay": {metric: {"field": "arrival_delay"}}})
    for field in ("destination", "carrier", "model"):
        yield _ask("flights", size=0, aggs={"kinds": {"cardinality": {"field": field}}})
    for carrier in CARRIERS[:3]:
        query = {"term": {"carrier": carrier}}
        yield _ask("flights", query, size=0, aggs={"spread": {"percentiles": {"field": "distance_miles"}}})


def _histograms() -> Iterator[Question]:
    for interval in (250, 500, 1000):
        yield _ask("flights", size=0, aggs={"miles": {"histogram": {"field": "distance_miles", "interval": interval}}})
    for code in COUNTRIES[:4]:
        by_latitude = {"histogram": {"field": "latitude", "interval": 5}}
        yield _ask("cities", {"term": {"country_code": code}}, size=0, aggs={"belts": by_latitude})
    for unit in ("month", "quarter", "week"):
        by_time = {"date_histogram": {"field": "scheduled_departure", "calendar_interval": unit}}
        yield _ask("flights", {"term": {"origin": "JFK"}}, size=0, aggs={"over_time": by_time})
    for carrier in CARRIERS[:4]:
        by_time = {"date_histogram": {"field": "scheduled_departure", "fixed_interval": "30d"}}
        inner = {"worst": {"max": {"field": "departure_delay"}}}
        yield _ask("flights", {"term": {"carrier": carrier}}, size=0, aggs={"over_time": by_time | {"aggs": inner}})


def _filters() -> Iterator[Question]:
    sizes = [{"to": 100_000}, {"from": 100_000, "to": 1_000_000}, {"from": 1_000_000}]
    for code in COUNTRIES[:4]:
        by_size = {"range": {"field": "population", "ranges": sizes}}
        yield _ask("cities", {"term": {"country_code": code}}, size=0, aggs={"sizes": by_size})
    halves = [{"to": "2013-07-01T00:00:00Z"}, {"from": "2013-07-01T00:00:00Z"}]
    for origin in ("JFK", "LGA", "EWR"):
        by_half = {"date_range": {"field": "scheduled_departure", "ranges": halves}}
        yield _ask("flights", {"term": {"origin": origin}}, size=0, aggs={"halves": by_half})
    for code in COUNTRIES[:3]:
        inner = {"people": {"sum": {"field": "population"}}}
        yield _ask("cities", size=0, aggs={"there": {"filter": {"term": {"country_code": code}}, "aggs": inner}})
    named = {"late": {"range": {"arrival_delay": {"gt": 15}}}, "cancelled": {"term": {"cancelled": True}}}
    for carrier in CARRIERS[:4]:
        yield _ask("flights", {"term": {"carrier": carrier}}, size=0, aggs={"how": {"filters": {"filters": named}}})
    for field in ("tail_number", "model", "air_time"):
        yield _ask("flights", size=0, aggs={"unknown": {"missing": {"field": field}}})
