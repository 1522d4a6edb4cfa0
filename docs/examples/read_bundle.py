"""Prints a bundle's records by docs/bundle-format.md (# is a section), but for rules of fields and sections 8, 9."""

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path

import zstandard
from airlock.bundle.v1.frame_pb2 import Frame
from airlock.bundle.v1.header_pb2 import BundleHeader
from airlock.bundle.v1.record_pb2 import Response
from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_public_key

MIB, LABEL, PEM, T = 1 << 20, b"airlock.bundle.v1", re.compile(rb"(?s)-----BEGIN.+?-----END[^\n]+"), "2 table_state "
KINDS = dict(enumerate(f"1 request cancellation|2 response|{T}user|{T}setting index|{T}profile_type|12".split("|"), 1))


def need(holds: object, otherwise: str) -> None:
    """Refuses the file unless something holds."""
    if not holds:
        raise ValueError(otherwise)


def parsed(kind: type, data: bytes) -> Frame | BundleHeader:
    """A message that has known fields only and is as short as it can be."""
    (message := kind.FromString(data)).DiscardUnknownFields()
    need(message.ByteSize() == len(data), "a field is unknown, or not in its shortest form")
    return message


parser = argparse.ArgumentParser(description="Prints the records of a bundle.")
for name, options in {"file": {}, "--keyring": {"required": True}, "--peer-keys": {"required": True}}.items():
    parser.add_argument(name, type=Path, **options)
named = parser.parse_args()
sys.excepthook = lambda kind, error, _: print(f"refused: {str(error) or kind.__name__}", file=sys.stderr)
ring, pems = json.loads(named.keyring.read_bytes())["keys"], PEM.findall(named.peer_keys.read_bytes())  # 4
peers = {hashlib.sha256(key.public_bytes_raw()).digest(): key for key in map(load_pem_public_key, pems)}
need(not named.file.is_symlink() and named.file.stat().st_size <= 1040 * MIB, "a link, or too long")  # 2, 7
need((data := named.file.read_bytes())[:12] == b"\x89ALK\r\n\x1a\n\0\1\0\0", "not a bundle of format 1")
offset, length = 16 + int.from_bytes(data[12:16], "big"), int.from_bytes(data[-4:], "big")
need(16 < offset <= 65_552 and 138 <= length <= min(817, len(data) - offset), "cut, or a length is out of bounds")
head, sealed, trailer = data[:offset], data[offset:-length], data[-length:]
body = offset.to_bytes(8, "big") + hashlib.sha256(head + sealed).digest()
need(trailer[:4] == b"\x89ALT" and length == 41 + 97 * trailer[4] and trailer[-36:-4] == body[8:], "trailer or digest")
signatures = {trailer[start : start + 33]: trailer[start + 33 : start + 97] for start in range(5, length - 36, 97)}
need(len(signatures) == trailer[4] and list(signatures) == sorted(signatures), "signatures are not in order")
for signer, signature in signatures.items():
    need(signer[0] == 1 and signer[1:] in peers, "the signer is not trusted")
    peers[signer[1:]].verify(signature, b"DSSEv1 24 %b/sender 40 %b" % (LABEL, body))
header = parsed(BundleHeader, head[16:])  # 3
need((header.schema_major, *header.required_features) == (1,) and header.schema_minor < 3, "another schema")
need(0 < header.created_at_micros < 253_402_300_800_000_000 and header.compression == 1, "time or compression")
need(len(header.batch_id) == 16 and 0 < header.epoch < 1 << 63 and 0 < header.sequence < 1 << 63, "batch or number")
way, allowed = [header.source_network, header.destination_network], KINDS.get(header.kind, "0").split()
need(sorted(way) == [1, 2] and str(way[0]) in allowed[0] and header.key_version in ring, "direction or key")  # 4, 5
entry, info = ring[header.key_version], LABEL + b"".join((b"", b"/request", b"/response")[network] for network in way)
key = HKDF(SHA256(), 32, None, info).derive(base64.b64decode(entry if isinstance(entry, str) else entry.get("key", "")))
decryptor = Cobblestone256Decryptor(key, LABEL + hashlib.sha256(head).digest())
compressed = decryptor.update(sealed) + decryptor.finalize()
zstd, plain = zstandard.ZstdDecompressor(max_window_size=8 * MIB).decompressobj(), bytearray()  # 6
for start in range(0, len(compressed), 256):  # Four bytes become 128 KiB at most, so a step becomes 8 MiB.
    need(not zstd.eof and len(plain) <= 1024 * MIB, "bytes follow the end of compression, or are too many")
    plain += zstd.decompress(compressed[start : start + 256])
need(zstd.eof and not zstd.unused_data and len(plain) <= 1024 * MIB, "compression is cut, followed or too long")
frames, rows, chunks, answer, position = [], [], 0, Response(), 0
while position < len(plain):
    size = next((n for n in (1, 2, 3) if plain[position + n - 1 : position + n] < b"\x80"), 4)
    length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(plain[position : position + size]))
    position += size + length
    shortest = size == 1 or length >> 7 * (size - 1)
    need(size < 4 and length <= MIB and shortest and position <= len(plain), "a frame's length is wrong, or it is cut")
    frames.append(parsed(Frame, bytes(plain[position - length : position])))
need(len(frames) > 1 and frames[0].HasField("acknowledgements") and frames[-1].HasField("end"), "frames are missing")
need(max(x.number for x, _ in frames[0].acknowledgements.ListFields()) < (11, 13, 15)[header.schema_minor], "minor")
for frame in frames[1:-1]:
    piece, records, whole = frame.chunk, frame.records.records, answer.total_length
    need(0 < len(records) <= 128 or frame.HasField("chunk"), "an empty or too long block, or a frame out of order")
    if frame.HasField("chunk"):
        need((piece.request_id, piece.offset) == (answer.request_id, len(answer.data)), "a piece is out of order")
        need(0 < len(piece.data) <= min(MIB // 4, whole - len(answer.data)), "a piece is empty or too long")
        answer.data, chunks = answer.data + piece.data, chunks + 1
        need(len(answer.data) < whole or hashlib.sha256(answer.data).digest() == answer.sha256, "another answer")
    for record in records:
        kind = record.WhichOneof("content")
        need(kind in allowed and len(answer.data) == answer.total_length, "a record in the wrong place")
        need(header.kind < 3 or (kind == "table_state") == (not rows), "the table's state is not first, and once")
        need(kind != "setting" or rows[-1][:5] != "index", "a setting after an index")
        answer, row = record.response, getattr(record, kind)
        late = header.kind > 2 and kind in allowed[2:] and (kind != "user" or row.inherits or row.session_version)
        need(header.schema_minor > 1 or not late, "a record of a later schema")
        rows.append(f"{kind} {(getattr(row, 'id', b'') or getattr(row, 'request_id', b'')).hex() or '-'}")
need(len(answer.data) == answer.total_length and (rows or header.kind in (1, 2, 6)), "an answer or the state is cut")
need((frames[-1].end.records, frames[-1].end.chunks) == (len(rows), chunks), "End counts otherwise")
print(*rows, f"{len(rows)} records, {chunks} chunks", sep="\n")
