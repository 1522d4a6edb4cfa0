"""Between the API's messages and questions: as they are asked, in numbers, and as they were validated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from airlock.request.v1 import request_service_pb2 as messages
from airlock.request.v1 import validation_pb2

from common.search.advice.cost import CostClass
from common.search.advice.warning import WarningKind
from request_svc.domain.batch import Batch
from request_svc.domain.question import Question
from request_svc.handlers.convert import optional_time

if TYPE_CHECKING:
    from request_svc.usecases.validate_request import Validated

_KINDS: Final = {kind: validation_pb2.QueryWarningKind.Value(f"QUERY_WARNING_KIND_{kind.name}") for kind in WarningKind}
_COST_CLASSES: Final = {cost: validation_pb2.CostClass.Value(f"COST_CLASS_{cost.name}") for cost in CostClass}


def question_of(request: messages.SubmitRequestRequest | messages.ValidateRequestRequest) -> Question:
    """The question that a message holds. Raises InvalidFieldError for a time beyond the calendar."""
    return Question(
        index=request.index,
        body=request.body.data if request.HasField("body") else None,
        search=request.search if request.HasField("search") else None,
        priority=request.priority if request.HasField("priority") else None,
        idempotency_key=request.idempotency_key,
        not_after=optional_time(request, "not_after"),
        accept_partial=request.accept_partial,
    )


def batch_of(request: messages.SubmitRequestsRequest) -> Batch:
    """The questions that a message holds, still to be read."""
    return Batch(
        body=request.body.data if request.HasField("body") else None,
        index=request.index,
        questions=[partial(question_of, one) for one in request.requests],
    )


def validation_message(validated: Validated) -> messages.ValidateRequestResponse:
    """What would become of a question, as the API tells it."""
    checked, cost = validated.checked, validated.cost
    return messages.ValidateRequestResponse(
        engine_body=validated.engine_body.decode(),
        digest=validated.digest.hex(),
        query_type=checked.search.query_type,
        priority=checked.priority,
        fields=[validation_pb2.UsedField(name=name, type=type_) for name, type_ in validated.fields.items()],
        warnings=[
            validation_pb2.QueryWarning(kind=_KINDS[one.kind], path=one.path, text=one.text)
            for one in validated.warnings
        ],
        cost=validation_pb2.CostEstimate(
            cost_class=_COST_CLASSES[cost.cost_class],
            reasons=[
                validation_pb2.CostReason(cost_class=_COST_CLASSES[one.cost_class], path=one.path, text=one.text)
                for one in cost.reasons
            ],
        ),
        earlier_request_id=str(validated.earlier.request_id) if validated.earlier is not None else "",
    )
