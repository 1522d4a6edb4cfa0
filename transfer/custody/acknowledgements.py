"""The acknowledgement state that every bundle begins with: writing our own, and reading the other network's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airlock.bundle.v1.acknowledgement_pb2 import AcknowledgedRun, Acknowledgements, AuditHead, VoidedBundle

from transfer.bundle.limits import FEATURES, SCHEMA_MINOR
from transfer.bundle.signing import is_trustworthy
from transfer.custody.digests import DIGEST_BYTES, NOTHING, extend
from transfer.errors import MalformedFrameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airlock.common.v1.network_pb2 import BundleKind

    from transfer.custody.state import HeldBundle, IncomingState

MAX_RUNS: Final = 1024
# No more numbers than this are ever given up and unacknowledged at once: all of them travel in every bundle.
MAX_VOIDED: Final = 16_384
MAX_REASON: Final = 64
SIGNING_KEY_BYTES: Final = 32
_HIGHEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive numbers above the cumulative one with one outcome; a refused number stands alone, with its reason."""

    first: int
    last: int
    running_digest: bytes
    refused_reason: str = ""


@dataclass(frozen=True, slots=True)
class PeerState:
    """What the other network says that it holds of our stream."""

    epoch: int
    cumulative: int
    running_digest: bytes
    runs: tuple[Run, ...]
    highest_seen: int
    highest_digest: bytes

    @property
    def full(self) -> bool:
        """The list of runs ends because of its limit, not because there was nothing more to say."""
        return len(self.runs) == MAX_RUNS


def render(
    state: IncomingState,
    above: Iterable[HeldBundle],
    voided: Sequence[tuple[int, bytes]],
    snapshots_wanted: Sequence[BundleKind.ValueType] = (),
    *,
    key_versions: Iterable[str] = (),
    announced_signing_key: bytes = b"",
    audit_head: AuditHead | None = None,
    witnessed_audit_head: AuditHead | None = None,
) -> Acknowledgements:
    """Our acknowledgements. `above`: numbers above the cumulative one, lowest first; `voided`: our own given up.

    `key_versions` and `announced_signing_key` are for a peer that reads schema 1.1, audit heads for one that reads 1.2.
    """
    if len(voided) > MAX_VOIDED:
        msg = f"{len(voided)} numbers are given up; {MAX_VOIDED} is the limit"
        raise ValueError(msg)
    return Acknowledgements(
        epoch=state.epoch if state.highest_seen else 0,
        cumulative=state.cumulative,
        running_digest=state.running_digest,
        above=[
            AcknowledgedRun(
                first=run.first, last=run.last, running_digest=run.running_digest, refused_reason=run.refused_reason
            )
            for run in runs_of(above)
        ],
        highest_seen=state.highest_seen,
        highest_digest=state.highest_digest,
        voided=[VoidedBundle(sequence=sequence, digest=digest) for sequence, digest in voided],
        snapshots_wanted=snapshots_wanted,
        reads_schema_minor=SCHEMA_MINOR,
        reads_features=sorted(FEATURES),
        reads_key_versions=key_versions,
        announced_signing_key=announced_signing_key,
        audit_head=audit_head,
        witnessed_audit_head=witnessed_audit_head,
    )


def runs_of(above: Iterable[HeldBundle]) -> list[Run]:
    """Numbers, lowest first, as at most MAX_RUNS runs; what is beyond them is said when those below are settled."""
    runs: list[Run] = []
    for held in above:
        last = runs[-1] if runs else None
        if last is not None and held.settled and not last.refused_reason and held.sequence == last.last + 1:
            runs[-1] = Run(last.first, held.sequence, extend(last.running_digest, held.digest))
        elif len(runs) == MAX_RUNS:
            break
        elif held.settled:
            runs.append(Run(held.sequence, held.sequence, extend(NOTHING, held.digest)))
        else:
            runs.append(Run(held.sequence, held.sequence, held.digest, held.refused_reason[:MAX_REASON]))
    return runs


def parse(message: Acknowledgements) -> PeerState:
    """Reads the other network's acknowledgements. Raises MalformedFrameError if they contradict themselves."""
    runs = tuple(Run(run.first, run.last, run.running_digest, run.refused_reason) for run in message.above)
    _require(len(message.running_digest) == DIGEST_BYTES, "the running digest has another length than 32")
    _require(message.epoch > 0 or message.highest_seen == 0, "something was seen, but in no epoch")
    _require(message.cumulative > 0 or message.running_digest == NOTHING, "nothing is counted, but has a digest")
    _require(
        len(message.highest_digest) == (DIGEST_BYTES if message.highest_seen else 0), "the highest number's digest"
    )
    _require(len(runs) <= MAX_RUNS, "too many runs")
    end = message.cumulative
    for run in runs:
        _require(end < run.first <= run.last, "the runs are not in order")
        _require(not run.refused_reason or run.first == run.last, "a refused number stands in a run")
        _require(len(run.running_digest) == DIGEST_BYTES, "a run's digest has another length than 32")
        end = run.last
    announced = message.announced_signing_key
    _require(len(announced) in {0, SIGNING_KEY_BYTES}, "a signing key has another length than 32")
    _require(not announced or is_trustworthy(announced), "anybody can sign under the announced key")
    for name in ("audit_head", "witnessed_audit_head"):
        head: AuditHead = getattr(message, name)
        sound = 1 <= head.segment <= _HIGHEST and len(head.digest) == DIGEST_BYTES
        _require(not message.HasField(name) or sound, "an audit head has no number or no digest")
    _require(end <= message.highest_seen, "the highest number seen is lower than one that is held")
    return PeerState(
        message.epoch, message.cumulative, message.running_digest, runs, message.highest_seen, message.highest_digest
    )


def parse_voided(message: Acknowledgements) -> dict[int, bytes]:
    """The numbers that the sender gave up, each with its digest. Raises MalformedFrameError unless they ascend."""
    voided: dict[int, bytes] = {}
    before = 0
    for entry in message.voided:
        _require(before < entry.sequence, "the numbers given up are not in order")
        _require(len(entry.digest) == DIGEST_BYTES, "a digest of a number given up has another length than 32")
        voided[entry.sequence] = entry.digest
        before = entry.sequence
    _require(len(voided) <= MAX_VOIDED, "too many numbers are given up")
    return voided


def _require(condition: bool, what: str) -> None:
    if not condition:
        msg = f"The acknowledgements contradict themselves: {what}."
        raise MalformedFrameError(msg)
