"""What is told when a node's certificate is not trusted: the cause, and what an operator must do."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from response_svc.search.answers import EngineUnavailableError

if TYPE_CHECKING:
    from response_svc.search.bounded_http import UntrustedNodeError

_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64
_UNKNOWN_AUTHORITY: Final = (18, 19, 20, 21)
"""OpenSSL's numbers for a certificate that signs itself and one whose authority is not known."""
_CAUSES: Final = {
    _NOT_YET_VALID: "is not valid yet; an operator must set the clocks of both hosts",
    _EXPIRED: "has expired; an operator must renew it there",
    _OTHER_HOST: "is for another host; an operator must use a name that it holds in ELASTICSEARCH_URL, or renew it",
    _OTHER_ADDRESS: "is for another host; an operator must use a name that it holds in ELASTICSEARCH_URL, or renew it",
} | dict.fromkeys(
    _UNKNOWN_AUTHORITY,
    "is signed by an authority that is not trusted; an operator must name that authority in ELASTICSEARCH_CA_FILE",
)


class UntrustedEngineError(EngineUnavailableError):
    """The node cannot show that it is the one that was meant: a matter for an operator."""


def distrust(error: UntrustedNodeError) -> UntrustedEngineError:
    """The error for a handshake that failed; nothing was sent to the node."""
    cause = getattr(error.cause, "certificate_error", error.cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        known = _CAUSES.get(cause.verify_code, f"is refused (OpenSSL's reason {cause.verify_code})")
        return UntrustedEngineError(f"the search engine's certificate {known}")
    return UntrustedEngineError(
        "the search engine and the service agree on no TLS; an operator must check that ELASTICSEARCH_URL "
        "begins with what that port speaks, http:// or https://, and that it speaks TLS 1.2 or later"
    )
