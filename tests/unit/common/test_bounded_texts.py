"""No call about sign-in and users takes a text without an end."""

from __future__ import annotations

import airlock.auth.v1.auth_service_pb2
import airlock.request.v1.user_replica_service_pb2
import airlock.response.v1.user_service_pb2  # noqa: F401 - these three register what is walked below.
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from protovalidate import Validator

SERVICES = ("airlock.auth.v1.AuthService", "airlock.request.v1.UserReplicaService", "airlock.response.v1.UserService")
TOO_LONG = "x" * 5000
VALIDATOR = Validator()


def texts() -> list[FieldDescriptor]:
    pool = descriptor_pool.Default()
    calls = [method.input_type for name in SERVICES for method in pool.FindServiceByName(name).methods]
    return [field for call in calls for field in call.fields if field.type == FieldDescriptor.TYPE_STRING]


@pytest.mark.parametrize("field", texts(), ids=lambda field: str(field.full_name))
def test_a_text_that_is_too_long_is_refused_by_its_field(field: FieldDescriptor) -> None:
    call = message_factory.GetMessageClass(field.containing_type)()
    if field.is_repeated:
        getattr(call, field.name).append(TOO_LONG)
    else:
        setattr(call, field.name, TOO_LONG)
    refused = {violation.proto.field.elements[0].field_name for violation in VALIDATOR.collect_violations(call)}
    assert field.name in refused


def test_there_are_texts_to_look_at() -> None:
    assert len(texts()) > 20
