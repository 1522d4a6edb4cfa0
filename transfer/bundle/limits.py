"""Every bound of the bundle format, in bytes unless the name says otherwise."""

from __future__ import annotations

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

FORMAT_MAJOR: Final = 1
SCHEMA_MAJOR: Final = 1
SCHEMA_MINOR: Final = 2
# Abilities beyond the schema that this reader has; `required_features` of a header may name these only.
FEATURES: Final[frozenset[str]] = frozenset()

MAX_HEADER: Final = 64 * KIB
MAX_SIGNATURES: Final = 8
MAX_FRAME: Final = 1 * MIB
# A payload before compression. A writer of requests or responses stays within the smaller limits below.
MAX_PAYLOAD: Final = 1024 * MIB
# A bundle file; the largest payload, incompressible, with its encryption overhead fits.
MAX_FILE: Final = 1040 * MIB
MAX_WINDOW: Final = 8 * MIB

BLOCK_RECORDS: Final = 128
BLOCK_BYTES: Final = 128 * KIB
# A record longer than a block makes a block of its own, which must still fit into a frame. A question of 256 KiB, the
# longest that is accepted, becomes at most twice as long as a record.
MAX_RECORD: Final = 768 * KIB
# What a Response record holds of its answer itself; the rest follows in chunks.
MAX_INLINE_DATA: Final = 128 * KIB
MAX_CHUNK_DATA: Final = 256 * KIB
MAX_RESULT: Final = 32 * MIB

# What a bundle of requests or responses holds at most; the claim of its rows keeps to these.
MAX_BATCH_RECORDS: Final = 500
MAX_BATCH_PAYLOAD: Final = 64 * MIB
