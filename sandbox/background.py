"""Both networks kept running behind the terminal: a supervisor process holds them, a state file says where they are."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from sandbox.asking import Person, create
from sandbox.clients import RestClient, rest_client
from sandbox.crossing import End, cross, cross_first_users, unfinished
from sandbox.dataset import ElasticsearchServer
from sandbox.errors import SandboxError
from sandbox.pair import ADMIN, Pair, new_password
from sandbox.profile import write_profile
from sandbox.signals import StopRequestedError, undisturbed
from sandbox.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.network import Network

START_SECONDS = 180
STOP_SECONDS = 60
SEARCH_SECONDS = 120
WATCH_SECONDS = 1.0
USER = "analyst"
COURIER = "courier"


@dataclass(frozen=True, slots=True)
class Sight:
    """One network as `status` shows it."""

    url: str
    target: str
    authority: str
    export_dir: str
    import_dir: str
    database_url: str
    # What an operator's shell takes in.
    profile: str
    processes: dict[str, int]


@dataclass(frozen=True, slots=True)
class State:
    """What the supervisor wrote once everything ran."""

    supervisor: int
    request: Sight
    response: Sight
    stick: str
    passwords: dict[str, str]


class Place:
    """The folder of one background sandbox, `.airlock` by default."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._state = self.folder / "state.json"
        self._lock = self.folder / "lock"
        self.log = self.folder / "supervisor.log"

    @property
    def run_folder(self) -> Path:
        """A short path of its own for sockets, the same at every start."""
        name = sha256(str(self.folder).encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"airlock-{os.geteuid()}-{name}"

    def is_running(self) -> bool:
        """Whether a supervisor holds this folder; the lock goes with its process, however that ends."""
        if not self._lock.exists():
            return False
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the folder; raises SandboxError if somebody else does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"both networks are running in {self.folder} already; `make down` stops them"
                raise SandboxError(message) from None
            self._state.unlink(missing_ok=True)
            yield
            self._state.unlink(missing_ok=True)

    def state(self) -> State | None:
        """What runs here; None while nothing does, or not yet."""
        if not self.is_running() or not self._state.exists():
            return None
        found = json.loads(self._state.read_text())
        return State(**found | {"request": Sight(**found["request"]), "response": Sight(**found["response"])})

    def write_state(self, state: State) -> None:
        """Says that everything runs."""
        beside = self._state.with_suffix(".new")
        beside.touch(mode=0o600)
        beside.write_text(json.dumps(asdict(state), indent=2))
        beside.replace(self._state)


def start(place: Place) -> State:
    """Starts a supervisor and returns once both networks answer; raises SandboxError with the end of its log."""
    if place.is_running():
        raise SandboxError(f"both networks are running in {place.folder} already; `make status` shows them")
    place.folder.mkdir(parents=True, exist_ok=True)
    place.folder.chmod(0o711)
    with place.log.open("wb") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "sandbox.cli", "supervise", "--folder", str(place.folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ready() -> bool:
        if supervisor.poll() is not None:
            raise SandboxError(f"the networks did not start; see {place.log}:\n{place.log.read_text()[-4000:]}")
        return place.state() is not None

    try:
        wait_until(ready, what="both networks", limit_seconds=START_SECONDS)
    except BaseException:
        supervisor.send_signal(signal.SIGTERM)
        raise
    state = place.state()
    assert state is not None
    return state


def stop(place: Place) -> bool:
    """Stops what `start` started; False if nothing runs."""
    state = place.state()
    if state is None:
        return False
    with suppress(psutil.NoSuchProcess):
        psutil.Process(state.supervisor).terminate()
    wait_until(lambda: not place.is_running(), what="the networks to stop", limit_seconds=STOP_SECONDS)
    return True


def carry_both_ways(state: State, tell: Callable[[str], None]) -> None:
    """Plays operator and courier once: requests out, searched, answers back."""
    stick = Path(state.stick)
    with _operator_end(state.request, state) as asking, _operator_end(state.response, state) as searching:
        tell(cross("requests", asking, searching, stick).summary)
        wait_until(lambda: unfinished(searching.operator) == 0, what="the searches", limit_seconds=SEARCH_SECONDS)
        tell(cross("responses", searching, asking, stick).summary)


@contextmanager
def _operator_end(sight: Sight, state: State) -> Iterator[End]:
    with RestClient(sight.url, Path(sight.authority)) as operator:
        operator.sign_in(COURIER, state.passwords[COURIER])
        yield End(Path(sight.export_dir), Path(sight.import_dir), operator)


def supervise(place: Place) -> None:
    """Builds both networks and holds them until SIGTERM, or until one of their programs ends by itself."""
    with place.held():
        server = ElasticsearchServer.from_environment()
        pair = Pair(place.folder, place.run_folder, elasticsearch=server)
        try:
            pair.build(lambda text: print(text, flush=True))
            place.write_state(_introduce(pair))
            while True:
                pair.check_running()
                time.sleep(WATCH_SECONDS)
        except StopRequestedError:
            pass
        finally:
            with undisturbed():
                pair.stop()


def _introduce(pair: Pair) -> State:
    """Makes the first users and carries them over, unless that was done at an earlier start.

    Nobody signs in after that: whoever tries things out may have changed any password, the admin's too.
    """
    file = pair.folder / "passwords.json"
    if not file.exists():
        with pair.sign_in_admin() as admin:
            persons = [
                Person(USER, "Analyst", "premium", 5, new_password()),
                Person(COURIER, "Courier", "basic", 5, new_password()),
            ]
            create(admin, persons[0])
            create(admin, persons[1], role="operator")
            with rest_client(pair.request.envoy) as operator:
                ends = (End.of(pair.response, admin), End.of(pair.request, operator))
                cross_first_users(*ends, pair.stick, persons[1])
            file.touch(mode=0o600)
            file.write_text(json.dumps({person.username: person.password for person in persons}))
    passwords = json.loads(file.read_text())
    passwords[ADMIN] = (pair.folder / "admin.password").read_text()
    request, response = (_sight(network, passwords[COURIER]) for network in (pair.request, pair.response))
    return State(os.getpid(), request, response, str(pair.stick), passwords)


def _sight(network: Network, password: str) -> Sight:
    return Sight(
        url=network.envoy.url,
        target=network.envoy.target,
        authority=str(network.certificate.authority),
        export_dir=str(network.export_dir),
        import_dir=str(network.import_dir),
        database_url=network.environment()["DATABASE_URL"],
        profile=str(write_profile(network, COURIER, password)),
        processes={name: child.pid for name, child in network.children().items()},
    )
