"""How a cluster stands, for an operator: which addresses answer, its state, its version, what we may do too much."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import orjson

from response_svc.search.answer_head import NotAnAnswerError, read_object
from response_svc.search.answers import EngineError, EngineHealth, EngineRefusedError, EngineUnavailableError
from response_svc.search.refusal import NotPermittedError

if TYPE_CHECKING:
    from response_svc.search.connection import Connection

NAME: Final = "elasticsearch"
SUPPORTED: Final = (8, 9)
_SECONDS: Final = 3.0
_BYTES: Final = 64 * 1024
_UNKNOWN: Final = "unknown"
_WRITING: Final = ("write", "manage", "create_index", "delete_index")
_RULING: Final = ("manage", "manage_security")
_READING: Final = {"read", "view_index_metadata", "monitor", "read_cross_cluster"}
_MOST_NAMED: Final = 8
_OPEN: Final = "its secret crosses the network unencrypted; use https:// in ELASTICSEARCH_URL"
_NOT_ASKED: Final = "security is switched off there, so anybody who reaches it may change everything"
_HEALTH: Final = "/_cluster/health"
_VERSIONS: Final = "/_nodes/_all/none"


async def look(connection: Connection) -> EngineHealth:
    """What is seen now. Never raises."""
    faults = await asyncio.gather(*(_fault_of(connection, address) for address in connection.addresses))
    away = [f"{address}: {fault}" for address, fault in zip(connection.addresses, faults, strict=True) if fault]
    if len(away) == len(faults):
        return EngineHealth(NAME, _UNKNOWN, healthy=False, detail="; ".join(dict.fromkeys(away)), reachable=False)
    try:
        status = str((await _object(connection, _HEALTH)).get("status", _UNKNOWN))
    except NotPermittedError:
        # An account that may only search is what we ask for.
        status = ""
    except EngineError as error:
        return EngineHealth(NAME, _UNKNOWN, healthy=False, detail=error.message, reachable=False)
    versions = await _versions(connection) if status else []
    strange = [version for version in versions if version.split(".")[0] not in map(str, SUPPORTED)]
    said = [
        f"status {status}" if status else "reachable",
        *[f"version {version} is not supported: 8 and 9 are" for version in strange],
        *[f"warning: {one}" for one in away],
        *([f"warning: {_OPEN}"] if connection.tells_secrets else []),
        *[f"warning: {excess}" for excess in await _excess(connection)],
    ]
    healthy = status != "red" and not strange
    return EngineHealth(NAME, ", ".join(versions) or _UNKNOWN, healthy=healthy, detail="; ".join(said))


async def _fault_of(connection: Connection, address: str) -> str | None:
    """Why a node cannot be asked; None for one that lets us in, whatever it permits."""
    try:
        await _object(connection, "/_security/_authenticate", address=address)
    except EngineRefusedError:
        # Security is switched off, so that there is no such question.
        return None
    except EngineError as error:
        return error.message
    return None


async def _versions(connection: Connection) -> list[str]:
    """The versions of the nodes; none where the account may not see them."""
    try:
        nodes = (await _object(connection, _VERSIONS, parameters={"filter_path": "nodes.*.version"})).get("nodes")
    except EngineError:
        return []
    found = {one.get("version") for one in nodes.values() if isinstance(one, dict)} if isinstance(nodes, dict) else ()
    return sorted(version for version in found if isinstance(version, str))


async def _excess(connection: Connection) -> list[str]:
    """What the account may do beyond reading, in words; nothing where that cannot be told."""
    try:
        held = await _object(connection, "/_security/user/_privileges")
        return _beyond_reading(held)
    except NotPermittedError:
        return []
    except EngineRefusedError as error:
        # An API key with rights of its own is not told them as a whole, but may ask for each.
        return await _excess_of_key(connection) if "API key" in error.message else [_NOT_ASKED]
    except EngineError:
        return []


def _beyond_reading(held: dict[str, Any]) -> list[str]:
    indices = [one for one in _listed(held, "indices") if isinstance(one, dict)]
    rights = {str(right) for one in indices for right in _listed(one, "privileges")}
    ruling = {f"cluster:{right}" for right in _listed(held, "cluster") if right != "monitor"}
    return _told(rights - _READING | ruling)


def _listed(held: dict[str, Any], name: str) -> list[Any]:
    found = held.get(name)
    return found if isinstance(found, list) else []


async def _excess_of_key(connection: Connection) -> list[str]:
    asked = {"cluster": list(_RULING), "index": [{"names": ["*"], "privileges": list(_WRITING)}]}
    try:
        answer = await _object(connection, "/_security/user/_has_privileges", body=orjson.dumps(asked))
    except EngineError:
        return []
    index, cluster = answer.get("index"), answer.get("cluster")
    everywhere = index.get("*") if isinstance(index, dict) else None
    rights = {right for right, given in everywhere.items() if given} if isinstance(everywhere, dict) else set()
    ruling = {f"cluster:{right}" for right, given in cluster.items() if given} if isinstance(cluster, dict) else set()
    return _told(rights | ruling)


def _told(rights: set[str]) -> list[str]:
    named = ", ".join(sorted(rights)[:_MOST_NAMED])
    advice = "the service only reads, so give it an account made by deploy/elasticsearch/make-reader.sh"
    return [f"the account may do more than read ({named}); {advice}"] if rights else []


async def _object(
    connection: Connection,
    path: str,
    *,
    parameters: dict[str, str] | None = None,
    body: bytes | None = None,
    address: str | None = None,
) -> dict[str, Any]:
    """A small answer as an object; raises EngineError."""
    method = "GET" if body is None else "POST"
    content = await connection.ask(
        method, path, parameters=parameters, body=body, seconds=_SECONDS, max_bytes=_BYTES, address=address
    )
    try:
        return read_object(content)
    except NotAnAnswerError:
        raise EngineUnavailableError("the search engine's answer is not JSON; try again later") from None
