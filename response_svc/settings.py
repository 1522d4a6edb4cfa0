"""The settings of the Response Network: those of both networks and those of execution."""

from __future__ import annotations

from typing import ClassVar

from airlock.common.v1 import network_pb2
from pydantic import Field

from common.settings import NetworkSettings, Seconds


class ResponseSettings(NetworkSettings):
    """What `airlock-response` is told by the environment."""

    network: ClassVar[network_pb2.Network.ValueType] = network_pb2.NETWORK_RESPONSE

    query_timeout: int = Field(30, ge=1, le=300, description="Give 1 to 300 seconds.")
    cache_ttl: int = Field(300, ge=0, le=86_400, description="Give 0 to 86400 seconds.")
    cache_ttl_aggregations: int = Field(1800, ge=0, le=86_400, description="Give 0 to 86400 seconds.")
    cache_ttl_hot: int = Field(900, ge=0, le=86_400, description="Give 0 to 86400 seconds.")
    cache_hot_count: int = Field(5, ge=1, le=100, description="Give 1 to 100 times.")
    cache_hot_window: Seconds = 900
    execution_lease_seconds: int = Field(60, ge=10, le=3600, description="Give 10 to 3600 seconds.")
    refresh_indices_seconds: Seconds = 3600
    retry_first_seconds: float = Field(5.0, gt=0, le=300, description="Give up to 300 seconds.")
    users_snapshot_days: int = Field(7, ge=1, le=90, description="Give 1 to 90 days.")
