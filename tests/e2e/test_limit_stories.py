"""A user's limits on their way: set on one network, carried, held on the other, raised, and carried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from airlock.response.v1.user_service_pb2 import UpdateUserRequest
from airlock.response.v1.user_service_pb2_grpc import UserServiceStub

from tests.two_networks import User

if TYPE_CHECKING:
    from tests.two_networks import TwoNetworks


async def test_a_limit_that_the_admin_raises_counts_after_the_walk_with_the_next_sign_in(networks: TwoNetworks) -> None:
    sara = await networks.bring_user("sara", rate_limit_per_minute=2)
    asked = [await sara.submit(), await sara.submit()]
    with pytest.raises(grpc.aio.AioRpcError, match="limit of 2 submissions in a minute") as refused:
        await sara.submit()
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    # Looking is another budget.
    assert [await sara.status(one) for one in asked] == ["pending", "pending"]

    user_id = await networks.response.value("SELECT id::text FROM users WHERE username = 'sara'")
    admin = await networks.response.sign_in("admin")
    await UserServiceStub(networks.response.channel).UpdateUser(
        UpdateUserRequest(id=user_id, rate_limit_per_minute=4), metadata=admin
    )
    await networks.response.export("users")
    networks.carry(networks.response, networks.request)
    await networks.request.import_()
    sara = User(networks.request, await networks.request.sign_in("sara"))
    # What was asked before still counts.
    await sara.submit()
    await sara.submit()
    with pytest.raises(grpc.aio.AioRpcError, match="limit of 4 submissions in a minute"):
        await sara.submit()
