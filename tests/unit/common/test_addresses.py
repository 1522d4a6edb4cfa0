"""One setting names several addresses; whatever is wrong with any is told at once, and no password is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.addresses import MOST_ADDRESSES, read_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://search.example:9200", ("https://search.example:9200",)),
        ("https://a:9200,https://b:9200/", ("https://a:9200", "https://b:9200")),
        (" http://a , http://b:1 ", ("http://a:80", "http://b:1")),
        ("https://A.example", ("https://a.example:443",)),
        ("http://[::1]:9200", ("http://[::1]:9200",)),
        ("https://proxy/cluster-1/es/", ("https://proxy:443/cluster-1/es",)),
    ],
)
def test_addresses_are_read_with_their_ports(text: str, expected: tuple[str, ...]) -> None:
    assert read_addresses(text) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("search.example:9200", "does not begin with https://"),
        ("ftp://a", "does not begin with https://"),
        ("https://", "does not begin with https://"),
        ("https://a:99999", "no address such as"),
        ("https://a:0", "names no host or port"),
        ("https://a b", "holds a blank"),
        ("https://a\n", "it holds a blank or a character"),
        ("https://a/x?pretty", "holds ? or #"),
        ("https://a/../b", "has a path"),
        ("https://a/%2e", "has a path"),
        ("https://é.example", "names no host"),
        ("https://[::1", "no address such as"),
        ("https://a,https://a:443", "an address is named twice"),
        ("https://a,http://b", "some addresses begin with http://"),
        (",".join(f"https://a{number}" for number in range(MOST_ADDRESSES + 1)), "33 addresses"),
        ("https://" + "a" * 9000, "longer than"),
    ],
)
def test_what_cannot_be_asked_is_refused(text: str, told: str) -> None:
    if text.endswith("\n"):
        text += "x"
    with pytest.raises(ValueError, match=r".") as refused:
        read_addresses(text)
    assert told in str(refused.value)


def test_every_wrong_address_is_told_at_once_and_no_password_is_shown() -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_addresses("https://good:1,https://elastic:hunter2@a,ftp://b,,https://c?x")
    message = str(refused.value)
    assert "hunter2" not in message
    assert "ELASTICSEARCH_API_KEY instead" in message
    for number in (2, 3, 4, 5):
        assert f"address {number} " in message
    assert "address 1 " not in message


@given(st.text(alphabet=st.sampled_from("htps:/[].,@?#%ab1 \u00e9"), max_size=60))
def test_whatever_is_read_is_read_again_as_the_same(text: str) -> None:
    try:
        found = read_addresses(text)
    except ValueError:
        return
    assert read_addresses(",".join(found)) == found
