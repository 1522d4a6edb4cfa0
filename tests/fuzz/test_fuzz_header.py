"""Fuzz of the header, in files whose hash and signature are right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airlock.bundle.v1.header_pb2 import BundleHeader
from airlock.common.v1 import network_pb2 as networks
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.fuzzing import attempt, cases, changed, crafted, read, verify
from tests.fuzz.messages import messages, nearly
from tests.vectors.craft import Craft, acknowledgements, end, framed, header
from transfer.bundle.header import filename_of, parse_header
from transfer.bundle.names import parse_bundle_filename
from transfer.bundle.rules import check_rules

if TYPE_CHECKING:
    from pathlib import Path

GOOD = [
    header(),
    header(kind=networks.BUNDLE_KIND_STATUS, required_features=["a"]),
    header(batch_id=bytes(16), epoch=2**63 - 1, sequence=2**63 - 1, key_version="x" * 32),
]
SERIALISED = st.sampled_from([one.SerializeToString(deterministic=True) for one in GOOD])
NEARLY_GOOD = st.sampled_from(GOOD).flatmap(nearly)
EMPTY = framed(acknowledgements(), end(0))


@cases(300)
@given(
    st.one_of(
        st.binary(max_size=120),
        changed(SERIALISED),
        messages(BundleHeader).map(lambda message: message.SerializeToString(deterministic=True)),
        NEARLY_GOOD.map(lambda message: message.SerializeToString(deterministic=True)),
    )
)
@example(b"")
@example(b"\x08\x01" * 20_000)
@example(b"\x1a\x00" * 32_000)
@example(b"\x0b" * 60_000)
def test_a_header_that_is_taken_keeps_every_rule_and_is_as_short_as_it_can_be(data: bytes) -> None:
    taken = attempt(lambda: parse_header(data))
    if taken is not None:
        assert check_rules(taken) is None
        again = taken.SerializeToString(deterministic=True)
        assert len(again) == len(data)
        assert BundleHeader.FromString(again) == BundleHeader.FromString(data)
        named = parse_bundle_filename(filename_of(taken))
        assert named is not None
        assert named.kind == taken.kind


@cases(200)
@given(st.one_of(changed(SERIALISED), st.binary(max_size=100)))
def test_any_header_in_a_signed_file_is_taken_or_refused(file: Path, data: bytes) -> None:
    craft, reader = crafted("good-requests", header=data)
    verified = attempt(lambda: verify(file, craft.build(), reader))
    if verified is not None:
        assert verified.header_bytes == data


@cases(200)
@given(NEARLY_GOOD, st.sampled_from(["request", "response"]))
def test_a_bundle_is_read_only_by_the_network_that_it_was_sealed_for(
    file: Path, message: BundleHeader, reader: str
) -> None:
    signer = "request" if reader == "response" else "response"
    names = {"request": networks.NETWORK_REQUEST, "response": networks.NETWORK_RESPONSE}
    file_bytes = Craft(header=message, payload=EMPTY, signer=signer, direction=(1, 2)).build()
    frames = attempt(lambda: read(file, file_bytes, reader))
    if frames is not None:
        assert (message.source_network, message.destination_network) == (names[signer], names[reader])
        assert len(frames) == 2
