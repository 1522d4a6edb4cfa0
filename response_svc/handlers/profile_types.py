"""ProfileTypeService: what users may ask and how often, whose only master is this network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.response.v1 import profile_type_service_pb2 as pb
from airlock.response.v1.profile_type_pb2 import ProfileType, ProfileTypeVersion
from airlock.response.v1.profile_type_service_pb2_grpc import ProfileTypeServiceServicer

from common.paging import page_size
from common.rpc.caller import current_caller
from response_svc.domain.profile_type import ProfileTypeChanges
from response_svc.handlers.policy_changes import (
    after_key,
    before_revision,
    change_message,
    expected_revision,
    key_token,
    version_token,
)
from response_svc.usecases.change_profile_types import create_profile_type, delete_profile_type, update_profile_type
from response_svc.usecases.read_profile_types import (
    get_profile_type,
    list_profile_type_versions,
    list_profile_types,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc

    from response_svc.domain.policy_row import PolicyRow, PolicyVersion
    from response_svc.usecases.change_policy import PolicyContext

SINGLE = (
    "description",
    "rate_limit_per_minute",
    "rate_limit_per_hour",
    "rate_limit_per_day",
    "priority",
    "soft",
    "max_result_bytes",
)


class ProfileTypeHandler(ProfileTypeServiceServicer):
    """The methods of `airlock.response.v1.ProfileTypeService`."""

    def __init__(self, policy: PolicyContext) -> None:
        self._policy = policy

    async def CreateProfileType(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.CreateProfileTypeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.CreateProfileTypeResponse:
        """See the proto."""
        row = await create_profile_type(self._policy, request.name, changes_of(request), caller=current_caller())
        return pb.CreateProfileTypeResponse(profile_type=profile_type_message(row))

    async def GetProfileType(  # noqa: N802
        self, request: pb.GetProfileTypeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetProfileTypeResponse:
        """See the proto."""
        row = await get_profile_type(self._policy, request.name)
        return pb.GetProfileTypeResponse(profile_type=profile_type_message(row))

    async def ListProfileTypes(  # noqa: N802
        self, request: pb.ListProfileTypesRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListProfileTypesResponse:
        """See the proto."""
        rows, more = await list_profile_types(self._policy, after=after_key(request), limit=page_size(request))
        return pb.ListProfileTypesResponse(
            profile_types=[profile_type_message(row) for row in rows],
            next_page_token=key_token(request, rows, more=more),
        )

    async def UpdateProfileType(  # noqa: N802
        self, request: pb.UpdateProfileTypeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.UpdateProfileTypeResponse:
        """See the proto."""
        row = await update_profile_type(
            self._policy,
            request.name,
            changes_of(request),
            revision=expected_revision(request),
            caller=current_caller(),
        )
        return pb.UpdateProfileTypeResponse(profile_type=profile_type_message(row))

    async def DeleteProfileType(  # noqa: N802
        self, request: pb.DeleteProfileTypeRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.DeleteProfileTypeResponse:
        """See the proto."""
        await delete_profile_type(
            self._policy, request.name, revision=expected_revision(request), caller=current_caller()
        )
        return pb.DeleteProfileTypeResponse()

    async def ListProfileTypeVersions(  # noqa: N802
        self, request: pb.ListProfileTypeVersionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListProfileTypeVersionsResponse:
        """See the proto."""
        versions, more = await list_profile_type_versions(
            self._policy, request.name, before=before_revision(request), limit=page_size(request)
        )
        return pb.ListProfileTypeVersionsResponse(
            versions=[version_message(request.name, version) for version in versions],
            next_page_token=version_token(request, versions, more=more),
        )


def changes_of(request: pb.CreateProfileTypeRequest | pb.UpdateProfileTypeRequest) -> ProfileTypeChanges:
    """What a call sets; an empty list is none."""
    given: dict[str, Any] = {field.name: value for field, value in request.ListFields() if field.name in SINGLE}
    return ProfileTypeChanges(
        query_kinds=tuple(request.query_kinds) or None, indices=tuple(request.indices) or None, **given
    )


def profile_type_message(row: PolicyRow) -> ProfileType:
    """The profile type as callers see it."""
    message = content_message(row.key, row.content)
    message.last_change.CopyFrom(change_message(row.last_change))
    return message


def version_message(name: str, version: PolicyVersion) -> ProfileTypeVersion:
    """What a profile type was after one change."""
    content = content_message(name, version.content) if version.content is not None else None
    return ProfileTypeVersion(change=change_message(version.change), profile_type=content)


def content_message(name: str, content: Mapping[str, Any]) -> ProfileType:
    """Its fields, which have the names of the content's."""
    return ProfileType(name=name, **content)
