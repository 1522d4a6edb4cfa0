"""Every bad search is refused with its place and reason, wherever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from common.errors import AirlockError
from common.policy.index import AllowedIndex
from common.policy.policy import Policy
from common.search.normal import normal_form
from common.search.permitted import check_permitted
from tests.bad_searches import BAD, FIELDS, Bad

if TYPE_CHECKING:
    from airlock.search.v1.search_pb2 import Search

INDEX = AllowedIndex("cities", "", FIELDS)


def judge(search: Search) -> None:
    check_permitted(search, INDEX, Policy(), None)
    normal_form(search)


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_a_bad_search_is_refused_with_its_place_and_reason(bad: Bad) -> None:
    with pytest.raises(AirlockError) as refused:
        judge(bad.search)
    told = [refused.value.message, str(dict(refused.value.metadata))]
    told += [f"{violation.field}: {violation.description}" for violation in refused.value.violations]
    assert any(bad.told in text for text in told), told
    assert all(len(text) < 2_000 for text in told)
