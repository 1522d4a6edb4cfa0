"""Why a sound bundle may still not be applied: its place in the stream."""

from __future__ import annotations

from transfer.errors import BundleError


class ForkError(BundleError):
    """Its number is taken by a bundle with other bytes."""

    defect = "fork"
    default_next_step = (
        "One of the two databases was restored from a backup. Find out which, and declare a new epoch there."
    )


class EarlierEpochError(BundleError):
    """It belongs to an epoch that has ended."""

    defect = "earlier-epoch"
    default_next_step = "Nothing is to be done here: its sender sends again whatever it still knows of it."


class LaterEpochError(BundleError):
    """It belongs to an epoch that was not accepted here yet."""

    defect = "later-epoch"
    default_next_step = (
        "Ask the other network's operator whether he declared it; then `transfer epoch accept` imports it."
    )


class ImplausibleEpochError(BundleError):
    """Its epoch is a time that has not come yet."""

    defect = "implausible-epoch"
    default_next_step = "Compare the clocks of both networks; if they are right, the sender is faulty or hostile."
