"""SettingsService: the settings of both networks, whose only master is this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlock.response.v1 import settings_service_pb2 as pb
from airlock.response.v1.setting_pb2 import Setting, SettingValue, SettingVersion
from airlock.response.v1.settings_service_pb2_grpc import SettingsServiceServicer

from common.paging import next_token, page_size
from common.rpc.caller import current_caller
from response_svc.handlers.policy_changes import (
    after_key,
    before_revision,
    change_message,
    expected_revision,
    version_token,
)
from response_svc.usecases.change_settings import reset_setting, set_setting
from response_svc.usecases.read_settings import SettingState, get_setting, list_setting_versions, list_settings

if TYPE_CHECKING:
    import grpc

    from common.policy.settings import SettingValue as Value
    from response_svc.domain.policy_row import PolicyVersion
    from response_svc.usecases.change_policy import PolicyContext


class SettingsHandler(SettingsServiceServicer):
    """The methods of `airlock.response.v1.SettingsService`."""

    def __init__(self, policy: PolicyContext) -> None:
        self._policy = policy

    async def ListSettings(  # noqa: N802 - the method's name in the API, as everywhere here.
        self, request: pb.ListSettingsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListSettingsResponse:
        """See the proto."""
        states, more = await list_settings(self._policy, after=after_key(request), limit=page_size(request))
        return pb.ListSettingsResponse(
            settings=[setting_message(state) for state in states],
            next_page_token=next_token(request, states[-1].definition.key) if more else "",
        )

    async def GetSetting(  # noqa: N802
        self, request: pb.GetSettingRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.GetSettingResponse:
        """See the proto."""
        return pb.GetSettingResponse(setting=setting_message(await get_setting(self._policy, request.key)))

    async def SetSetting(  # noqa: N802
        self, request: pb.SetSettingRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.SetSettingResponse:
        """See the proto."""
        value: Value = request.bool_value if request.HasField("bool_value") else request.int_value
        state = await set_setting(
            self._policy, request.key, value, revision=expected_revision(request), caller=current_caller()
        )
        return pb.SetSettingResponse(setting=setting_message(state))

    async def ResetSetting(  # noqa: N802
        self, request: pb.ResetSettingRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ResetSettingResponse:
        """See the proto."""
        state = await reset_setting(
            self._policy, request.key, revision=expected_revision(request), caller=current_caller()
        )
        return pb.ResetSettingResponse(setting=setting_message(state))

    async def ListSettingVersions(  # noqa: N802
        self, request: pb.ListSettingVersionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> pb.ListSettingVersionsResponse:
        """See the proto."""
        versions, more = await list_setting_versions(
            self._policy, request.key, before=before_revision(request), limit=page_size(request)
        )
        return pb.ListSettingVersionsResponse(
            versions=[version_message(version) for version in versions],
            next_page_token=version_token(request, versions, more=more),
        )


def setting_message(state: SettingState) -> Setting:
    """The setting as callers see it."""
    definition = state.definition
    return Setting(
        key=definition.key,
        value=value_message(state.value),
        default_value=value_message(definition.default),
        is_default=state.is_default,
        least=definition.least,
        most=definition.most,
        description=definition.description,
        last_change=change_message(state.row.last_change) if state.row is not None else None,
    )


def version_message(version: PolicyVersion) -> SettingVersion:
    """What a setting was after one change."""
    value = value_message(version.content["value"]) if version.content is not None else None
    return SettingVersion(change=change_message(version.change), value=value)


def value_message(value: Value) -> SettingValue:
    """A value with its type."""
    return SettingValue(bool_value=value) if isinstance(value, bool) else SettingValue(int_value=value)
