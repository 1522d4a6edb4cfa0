"""Checks an exported audit trail against its digests, from the text of docs/audit.md alone; only Python is needed.

python check_audit.py FILE, with the file that `GET /api/v1/admin/audit:export?first_segment=1` gave. Prints what was
checked and the last digest, which the other network knows as `peer_head` (`GET /api/v1/admin/audit/chain`).
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path


def need(holds: object, otherwise: str) -> None:
    """Ends with the cause unless something holds."""
    if not holds:
        sys.exit(f"wrong: {otherwise}")


def check(lines: Iterable[bytes]) -> str:
    """What was checked. Segments come with their rows behind them; a digest covers the digest before and the lines."""
    digest, segment, first, rows, left, ended = hashlib.sha256(), None, 0, 0, 0, False
    for line in lines:
        need(not ended and line.endswith(b"\n"), "a line is cut, or comes behind the end")
        content = json.loads(line)
        if "segment" not in content and "end" not in content:
            need(left, "a row belongs to no segment; export by segments")
            digest.update(line)
            rows, left = rows + 1, left - 1
            continue
        if segment is not None:
            need(left == 0, f"segment {segment['number']} lacks {left} of its rows")
            whole = segment["forgotten"] or digest.hexdigest() == segment["digest"]
            need(whole, f"a row of segment {segment['number']} is not what was sealed")
        if "end" in content:
            need(content["end"]["rows"] == rows, "the end counts other rows")
            ended = True
            continue
        before, segment = segment, content["segment"]
        if before is None:
            first = segment["number"]
            need(first > 1 or segment["previous_digest"] == "00" * 32, "segment 1 continues something")
        else:
            continues = (segment["number"], segment["previous_digest"]) == (before["number"] + 1, before["digest"])
            need(continues, f"segment {segment['number']} does not continue segment {before['number']}")
        digest = hashlib.sha256(bytes.fromhex(segment["previous_digest"]))
        left = 0 if segment["forgotten"] else segment["rows"]
    need(ended, "the file is cut: it has no end")
    if segment is None:
        return "nothing is sealed yet"
    return f"segments {first} to {segment['number']}, {rows} rows; the last digest is {segment['digest']}"


if __name__ == "__main__":
    need(len(sys.argv) == 2, "name the one file that was exported: python check_audit.py FILE")
    try:
        with Path(sys.argv[1]).open("rb") as exported:
            print("right:", check(exported))
    except (OSError, ValueError) as error:
        sys.exit(f"wrong: {sys.argv[1]} cannot be read as an exported trail: {error}")
