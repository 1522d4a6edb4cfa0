"""The settings of the Request Network's service: those of both networks, with nothing of its own yet."""

from __future__ import annotations

from typing import ClassVar

from airlock.common.v1 import network_pb2

from common.settings import NetworkSettings


class RequestSettings(NetworkSettings):
    """What the Request Network's processes are told from outside."""

    network: ClassVar[network_pb2.Network.ValueType] = network_pb2.NETWORK_REQUEST
