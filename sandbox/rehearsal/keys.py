"""Keys that change during a rehearsal, each step on another day at each network, as the operator's guide tells."""

from __future__ import annotations

import shutil
from enum import Enum, auto
from typing import TYPE_CHECKING

from transfer.bundle.generate import generate_keys
from transfer.bundle.keyring import Keyring, KeyState, SigningKey
from transfer.bundle.rotation import (
    activated,
    make_next_signing_key,
    next_of,
    promote_next_signing_key,
    with_new_version,
    without,
    write_keyring,
)
from transfer.spool.key_use import is_signed_with, versions_needed

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from sandbox.rehearsal.side import Side


class KeyStep(Enum):
    """What may be done next about the encryption key."""

    PREPARE = auto()
    BRING = auto()
    ACTIVATE = auto()


class Locksmith:
    """Rotates keys in the folders of both networks. `deeds` counts what was done."""

    def __init__(self, sides: dict[str, Side]) -> None:
        self._sides = sides
        self._step = KeyStep.PREPARE
        self.deeds: dict[str, int] = {}

    def act(self, choose: random.Random) -> None:
        """One step somewhere."""
        if choose.random() < 0.5:
            self._encryption(choose)
        else:
            self._signing(self._sides[choose.choice(("request", "response"))])

    def _encryption(self, choose: random.Random) -> None:
        """A version is prepared on one network, brought to the other by hand, and activated on each when it suits."""
        master, other = (self._sides[name].settings.encryption_keyring_file for name in ("response", "request"))
        assert master is not None
        assert other is not None
        match self._step:
            case KeyStep.PREPARE:
                keyring, _ = with_new_version(Keyring.from_file(master))
                write_keyring(master, keyring)
                self._count("prepared a key version")
                self._step = KeyStep.BRING
            case KeyStep.BRING:
                shutil.copy(master, other)
                self._step = KeyStep.ACTIVATE
            case KeyStep.ACTIVATE:
                waiting = [path for path in (master, other) if _prepared(path) is not None]
                if waiting:
                    path = choose.choice(waiting)
                    keyring, version = Keyring.from_file(path), _prepared(path)
                    assert version is not None
                    write_keyring(path, activated(keyring, version))
                    self._count("activated a key version")
                else:
                    self._destroy((master, other))

    def _destroy(self, paths: tuple[Path, Path]) -> None:
        """Only when no bundle anywhere needs it any more."""
        needed = set[str]()
        for side in self._sides.values():
            needed |= set(versions_needed(side.export_dir, side.import_dir))
        keyring = Keyring.from_file(paths[0])
        idle = [v for v, state in keyring.states.items() if state is KeyState.RETIRING and v not in needed]
        for version in idle:
            for path in paths:
                write_keyring(path, without(Keyring.from_file(path), version))
            self._count("destroyed a key version")
        self._step = KeyStep.PREPARE

    def _signing(self, side: Side) -> None:
        """The next key is made, announced and confirmed by itself; then it takes the place of the present one."""
        path = side.settings.signing_key_file
        coming = next_of(path)
        if not coming.exists():
            make_next_signing_key(path)
            self._count("made a signing key")
        elif is_signed_with(side.export_dir, SigningKey.load(coming).key_id):
            promote_next_signing_key(path)
            self._count("promoted a signing key")

    def _count(self, deed: str) -> None:
        self.deeds[deed] = self.deeds.get(deed, 0) + 1


def place_keys(folder: Path) -> None:
    """Each network's own folder of keys, as the courier brought them once."""
    made = generate_keys(folder / "made")
    for name, signing, peer in (
        ("request", made.request_signing_key, made.response_public_key),
        ("response", made.response_signing_key, made.request_public_key),
    ):
        own = folder / name
        own.mkdir()
        for source, target in ((made.keyring, "keyring.json"), (signing, "signing.key"), (peer, "peers.pub")):
            (own / target).write_bytes(source.read_bytes())


def _prepared(path: Path) -> str | None:
    states = Keyring.from_file(path).states
    return next((version for version, state in states.items() if state is KeyState.PRE), None)
