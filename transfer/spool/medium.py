"""Carrying by hand, in both directions. A medium is a folder with one folder a kind; it is trusted for nothing."""

from __future__ import annotations

from transfer.spool.deliver import DeliverReport, deliver
from transfer.spool.take import TakeReport, take

__all__ = ["DeliverReport", "TakeReport", "deliver", "take"]
