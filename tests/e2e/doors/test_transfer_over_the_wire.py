"""A transfer station without the services' folders: `transfer export` and `import` through Envoy's TLS port."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from sandbox.asking import COMPLETED
from sandbox.crossing import import_all, run_export, sealed_batches
from sandbox.demo_queries import questions
from sandbox.processes import PROGRAMS
from tests.e2e.doors.running import ANALYST, COURIER

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.asking import Person
    from sandbox.envoy import Envoy
    from tests.e2e.doors.running import Running


def transfer(
    door: Envoy, command: str, *arguments: object, caller: Person = COURIER, password: str = COURIER.password
) -> tuple[int, str]:
    """The exit code and all that was said."""
    options = ("--username", caller.username, "--server", door.target, "--ca", door.certificate.authority)
    done = subprocess.run(
        [str(PROGRAMS / "transfer"), command, *map(str, options), *map(str, arguments)],
        env={"AIRLOCK_PASSWORD": password},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_question_and_its_answer_cross_without_a_folder(running: Running, tmp_path: Path) -> None:
    request_id = running.analyst.submit_over_rest(questions()[0], 5)
    run_export(running.operator, "requests")
    sealed = {batch["id"] for batch in sealed_batches(running.operator, "requests")}
    there, back = tmp_path / "there", tmp_path / "back"
    code, said = transfer(running.pair.request.envoy, "export", there)
    assert code == 0, said
    code, said = transfer(running.pair.response.envoy, "import", *there.rglob("*.pb.enc"))
    assert code == 0, said
    import_all(running.admin, sealed)
    running.wait_for_searches()

    run_export(running.admin, "responses")
    sealed = {batch["id"] for batch in sealed_batches(running.admin, "responses")}
    code, said = transfer(running.pair.response.envoy, "export", back)
    assert code == 0, said
    code, said = transfer(running.pair.request.envoy, "import", *(back / "responses").glob("*.pb.enc"))
    assert code == 0, said
    import_all(running.operator, sealed)
    assert running.analyst.outcome_over_rest(request_id).status == COMPLETED


def test_what_was_fetched_is_not_fetched_again(running: Running, tmp_path: Path) -> None:
    run_export(running.admin, "users")
    assert transfer(running.pair.response.envoy, "export", tmp_path)[0] == 0
    code, said = transfer(running.pair.response.envoy, "export", tmp_path)
    assert code == 0
    assert "fetched" not in said


def test_a_wrong_password_and_a_missing_permission_are_told_apart(running: Running, tmp_path: Path) -> None:
    door = running.pair.request.envoy
    code, said = transfer(door, "export", tmp_path, password="wrong")
    assert (code, "CREDENTIALS_WRONG" in said) == (6, True), said
    code, said = transfer(door, "export", tmp_path, caller=ANALYST)
    assert (code, "PERMISSION_MISSING" in said) == (6, True), said
