"""SearchPolicyService: which indices may be searched, and the search engine behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airlock.response.v1 import search_policy_service_pb2 as pb
from airlock.response.v1.allowed_index_pb2 import AllowedIndex, IndexField, IndexVersion
from airlock.response.v1.search_policy_service_pb2_grpc import SearchPolicyServiceServicer

from common.paging import page_size
from common.rpc.caller import current_caller
from response_svc.handlers.policy_changes import (
    after_key,
    before_revision,
    change_message,
    expected_revision,
    key_token,
    version_token,
)
from response_svc.usecases.change_indices import allow_index, describe_index, disallow_index, refresh_index
from response_svc.usecases.invalidate_cache import invalidate_cache
from response_svc.usecases.read_indices import get_index, list_index_versions, list_indices

if TYPE_CHECKING:
    import grpc

    from response_svc.domain.policy_row import PolicyRow, PolicyVersion
    from response_svc.ports import AnswerCache, SearchEngine
    from response_svc.usecases.change_policy import PolicyContext

MOST_INDICES: Final = 50
"""On one page: each is read with its fields."""


@dataclass(frozen=True, slots=True)
class SearchPolicyParts:
    """What the methods need; made by the composition root."""

    policy: PolicyContext
    engine: SearchEngine
    cache: AnswerCache


class SearchPolicyHandler(SearchPolicyServiceServicer):
    """The methods of `airlock.response.v1.SearchPolicyService`."""

    def __init__(self, parts: SearchPolicyParts) -> None:
        self._policy = parts.policy
        self._engine = parts.engine
        self._cache = parts.cache

    async def AllowIndex(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.AllowIndexRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.AllowIndexResponse:
        """See the proto."""
        row = await allow_index(
            self._policy, self._engine, request.name, description=request.description, caller=current_caller()
        )
        return pb.AllowIndexResponse(index=index_message(row))

    async def GetIndex(  # noqa: N802
        self, request: pb.GetIndexRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetIndexResponse:
        """See the proto."""
        row = await get_index(self._policy, request.name, revision=expected_revision(request))
        return pb.GetIndexResponse(index=index_message(row))

    async def ListIndices(  # noqa: N802
        self, request: pb.ListIndicesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListIndicesResponse:
        """See the proto."""
        limit = page_size(request, most=MOST_INDICES)
        rows, more = await list_indices(self._policy, after=after_key(request), limit=limit)
        return pb.ListIndicesResponse(
            indices=[index_message(row, with_fields=False) for row in rows],
            next_page_token=key_token(request, rows, more=more),
        )

    async def UpdateIndex(  # noqa: N802
        self, request: pb.UpdateIndexRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.UpdateIndexResponse:
        """See the proto."""
        row = await describe_index(
            self._policy,
            request.name,
            request.description if request.HasField("description") else None,
            revision=expected_revision(request),
            caller=current_caller(),
        )
        return pb.UpdateIndexResponse(index=index_message(row))

    async def RefreshIndex(  # noqa: N802
        self, request: pb.RefreshIndexRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.RefreshIndexResponse:
        """See the proto."""
        row, changed = await refresh_index(self._policy, self._engine, request.name, caller=current_caller())
        return pb.RefreshIndexResponse(index=index_message(row), changed=changed)

    async def DisallowIndex(  # noqa: N802
        self, request: pb.DisallowIndexRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DisallowIndexResponse:
        """See the proto."""
        await disallow_index(self._policy, request.name, revision=expected_revision(request), caller=current_caller())
        return pb.DisallowIndexResponse()

    async def ListIndexVersions(  # noqa: N802
        self, request: pb.ListIndexVersionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListIndexVersionsResponse:
        """See the proto."""
        limit = page_size(request, most=MOST_INDICES)
        versions, more = await list_index_versions(
            self._policy, request.name, before=before_revision(request), limit=limit
        )
        return pb.ListIndexVersionsResponse(
            versions=[version_message(request.name, version) for version in versions],
            next_page_token=version_token(request, versions, more=more),
        )

    async def GetEngineState(  # noqa: N802
        self, request: pb.GetEngineStateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetEngineStateResponse:
        """See the proto."""
        health = await self._engine.check()
        return pb.GetEngineStateResponse(
            name=health.name, version=health.version, healthy=health.healthy, detail=health.detail
        )

    async def GetCacheState(  # noqa: N802
        self, request: pb.GetCacheStateRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetCacheStateResponse:
        """See the proto."""
        state = await self._cache.state()
        return pb.GetCacheStateResponse(
            available=state.available,
            hits=state.hits,
            joined=state.joined,
            misses=state.misses,
            hit_ratio=state.hit_ratio,
            used_bytes=state.used_bytes,
            most_bytes=state.most_bytes,
            eviction=state.eviction,
        )

    async def InvalidateCache(  # noqa: N802
        self, request: pb.InvalidateCacheRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.InvalidateCacheResponse:
        """See the proto."""
        await invalidate_cache(self._policy, self._cache, request.index or None, caller=current_caller())
        return pb.InvalidateCacheResponse()


def index_message(row: PolicyRow, *, with_fields: bool = True) -> AllowedIndex:
    """The index as callers see it."""
    fields = row.content["fields"]
    listed = [IndexField(name=name, type=fields[name]) for name in sorted(fields)] if with_fields else []
    return AllowedIndex(
        name=row.key,
        description=row.content["description"],
        field_count=len(fields),
        fields=listed,
        last_change=change_message(row.last_change),
    )


def version_message(name: str, version: PolicyVersion) -> IndexVersion:
    """What the catalogue said of an index after one change."""
    message = IndexVersion(change=change_message(version.change))
    if version.content is not None:
        message.index.name = name
        message.index.description = version.content["description"]
        message.index.field_count = len(version.content["fields"])
    return message
