"""Whether a search may be asked: by the catalogue of indices, the profile type and the settings."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import AirlockError, IndexNotAllowedError, QueryInvalidError, QueryLimitError
from common.policy.index import AllowedIndex
from common.policy.limits import EffectiveLimits, RateLimits
from common.policy.policy import Policy
from common.policy.profile_type import ProfileType
from common.search.body import read_body
from common.search.limits import QueryLimits
from common.search.permitted import check_permitted, permitted_index, query_limits

NONE_YET = "carry a bundle"


def policy(*names: str, **values: Any) -> Policy:
    settings = {f"query.{key}": value for key, value in values.items()}
    return Policy(values=settings, indices={name: AllowedIndex(name, "", {"title": "text"}) for name in names})


def profile(**changes: Any) -> ProfileType:
    return ProfileType("basic", EffectiveLimits(RateLimits(10, 100, 500), 5), **changes)


@pytest.mark.parametrize("name", ["cities", "flights-2013.01", "شهرها", "a_b", "0"])
def test_an_allowed_index_is_found(name: str) -> None:
    assert permitted_index(name, policy("x", name), None, without_any=NONE_YET).name == name
    assert permitted_index(name, policy("x", name), profile(), without_any=NONE_YET).name == name
    assert permitted_index(name, policy("x", name), profile(indices=(name,)), without_any=NONE_YET).name == name


def test_a_name_that_is_not_exact_is_refused_even_if_the_catalogue_has_it() -> None:
    with pytest.raises(QueryInvalidError):
        permitted_index("cit*", policy("cit*"), None, without_any=NONE_YET)


def test_a_refused_index_names_the_permitted_ones_and_the_nearest() -> None:
    with pytest.raises(IndexNotAllowedError) as refused:
        permitted_index("citees", policy("cities", "flights"), None, without_any=NONE_YET)
    assert "did you mean cities?" in refused.value.message
    assert "cities, flights" in refused.value.message
    assert refused.value.metadata == {"index": "citees", "allowed": "cities, flights"}


def test_a_profile_type_hides_what_it_does_not_permit() -> None:
    with pytest.raises(IndexNotAllowedError) as refused:
        permitted_index("salaries", policy("cities", "salaries"), profile(indices=("cities",)), without_any=NONE_YET)
    assert "basic" in refused.value.message
    assert refused.value.metadata["allowed"] == "cities"


def test_a_profile_type_that_names_no_allowed_index_permits_none() -> None:
    with pytest.raises(IndexNotAllowedError, match="they may search none"):
        permitted_index("cities", policy("cities"), profile(indices=("gone",)), without_any=NONE_YET)


def test_without_any_allowed_index_the_refusal_says_what_to_do() -> None:
    with pytest.raises(IndexNotAllowedError, match="carry a bundle"):
        permitted_index("cities", Policy(), profile(), without_any=NONE_YET)


def test_a_refusal_stays_short_however_many_indices_there_are() -> None:
    with pytest.raises(AirlockError) as refused:
        permitted_index("y" * 255, policy(*(f"{number}{'x' * 250}" for number in range(999))), None, without_any="")
    assert len(refused.value.message) + len(str(refused.value.metadata)) < 6000


def test_the_defaults_of_the_settings_are_those_of_the_limits() -> None:
    assert query_limits(Policy(), None) == QueryLimits()


def test_settings_decide_how_large_a_search_may_be() -> None:
    index, search = AllowedIndex("cities"), read_body(b'{"size": 11}')
    check_permitted(search, index, policy(), None)
    with pytest.raises(QueryLimitError) as refused:
        check_permitted(search, index, policy(max_size=10), None)
    assert refused.value.metadata == {"limit": "max_size", "allowed": "10"}


@pytest.mark.parametrize(
    ("body", "permitted"),
    [
        (b'{"query": {"match": {"title": "x"}}}', True),
        (b'{"query": {"match_all": {}}}', True),
        (b'{"query": {"bool": {"must": {"match": {"title": "x"}}}}}', False),
        (b'{"query": {"wildcard": {"title": "x"}}}', False),
        (b'{"aggs": {"a": {"missing": {"field": "title"}}}}', False),
    ],
)
def test_a_profile_type_decides_which_kinds_may_be_asked(body: bytes, *, permitted: bool) -> None:
    basic, index = profile(query_kinds=("match",)), AllowedIndex("cities")
    if permitted:
        check_permitted(read_body(body), index, Policy(), basic)
        return
    with pytest.raises(QueryLimitError) as refused:
        check_permitted(read_body(body), index, Policy(), basic)
    assert refused.value.metadata["limit"] == "allowed_kinds"


def test_fields_are_checked_last() -> None:
    with pytest.raises(QueryInvalidError, match="did you mean title"):
        check_permitted(
            read_body(b'{"query": {"match": {"titel": "x"}}}'), policy("cities").indices["cities"], Policy(), None
        )
