"""`transfer resend` where a service is named: it is asked first, and its audit trail notes who asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from tests.integration.common.operating import audited
from transfer.cli.program import app

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from tests.integration.common.operating import Network


async def resend(network: Network, numbers: str, folder: Path) -> Result:
    medium, token = folder / "medium", folder / "token"
    medium.mkdir(exist_ok=True)
    token.write_text(network.bearer[0][1].removeprefix("Bearer "))
    line = ["resend", numbers, str(medium), "--token-file", str(token)]
    settings = {"EXPORT_DIR": str(network.context.outbox.root), "AIRLOCK_SERVER": network.address}
    return await asyncio.to_thread(CliRunner().invoke, app, line, env=settings)


async def test_what_the_service_offers_is_carried_and_noted(response: Network, tmp_path: Path) -> None:
    await response.run("status")
    result = await resend(response, "1", tmp_path)
    assert result.exit_code == 0
    assert "1 bundle taken" in result.stdout
    assert ("custody.resend", "1") in await audited(response)


async def test_what_the_service_does_not_offer_is_refused_with_its_reason(response: Network, tmp_path: Path) -> None:
    await response.run("status")
    (bundle,) = (await response.waiting()).bundles
    path = response.context.outbox.root / "status" / bundle.filename
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    damaged = await resend(response, "1", tmp_path)
    assert damaged.exit_code == 1
    assert "Number 1 is not carried: its file is missing or damaged" in damaged.stderr
    unknown = await resend(response, "1,9", tmp_path)
    assert unknown.exit_code != 0
    assert "sealed no bundle 9" in unknown.stderr
    assert list((tmp_path / "medium").rglob("*.pb.enc")) == []
