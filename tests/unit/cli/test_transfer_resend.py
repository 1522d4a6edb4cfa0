"""`transfer resend` from the folder alone: which numbers are carried once more, and what is said of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.cli.station import EPOCH, REQUEST

if TYPE_CHECKING:
    from tests.unit.cli.station import Station


def test_a_number_is_carried_once_more_byte_for_byte(station: Station) -> None:
    station.seal("requests", REQUEST)
    second = station.seal("requests", REQUEST)
    station.run("take", station.medium)
    copy = station.medium / "requests" / second.name
    copy.write_bytes(b"damaged on the way")
    result = station.run("resend", "2", station.medium)
    assert result.code == 0
    assert "1 bundle taken" in result.out
    assert copy.read_bytes() == second.read_bytes()
    assert station.run("journal", "--json").document[-1]["action"] == "resent"
    third = station.seal("requests", REQUEST)
    third.rename(station.outbox / "voided" / third.name)
    absent = station.run("resend", "2,3,7-8", station.medium)
    assert absent.code == 1
    assert "3 (given up)" in absent.err
    assert "7-8 (no file here" in absent.err
    assert station.run("resend", "8-7", station.medium).code == 2


def test_a_damaged_bundle_hides_no_number_that_does_not_wait(station: Station) -> None:
    station.seal("requests", REQUEST)
    damaged = station.seal("requests", REQUEST)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:150] + b"!" + content[151:])
    result = station.run("resend", "1,2,9", station.medium)
    assert result.code == 1
    assert "1 bundle taken" in result.out
    assert "gives its number up" in result.err
    assert "Not waiting in the outbox: 9 (" in result.err
    damaged.write_bytes(content[:-40])
    unclear = station.run("resend", "1,2", station.medium)
    assert "Not waiting in the outbox: 2 (" in unclear.err
    assert "A damaged file, named below, may be one of them." in unclear.err


def test_a_number_of_an_epoch_that_has_ended_is_not_carried_again(station: Station) -> None:
    ended = station.seal("requests", REQUEST)
    station.sequences["request"] = 0
    present = station.seal("requests", REQUEST, epoch=EPOCH + 1)
    station.run("resend", "1", station.medium)
    assert [path.name for path in (station.medium / "requests").glob("*.pb.enc")] == [present.name]
    assert ended.exists()


def test_what_an_ended_epoch_acknowledged_says_nothing_of_a_number_of_the_present_one(station: Station) -> None:
    ended = station.seal("requests", REQUEST)
    ended.rename(station.outbox / "acknowledged" / ended.name)
    station.seal("requests", REQUEST, epoch=EPOCH + 1)
    result = station.run("resend", "1", station.medium)
    assert "1 (no file here" in result.err
    assert "None of these was taken." in result.out
