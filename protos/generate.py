"""Makes everything under `gen/` but the OpenAPI files from the protos, starting from nothing. Called by `make gen`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = PROTOS / "third_party"
# Which packages make up each network's API; Envoy refuses to start when a service it transcodes is not described.
SHARED = ("common", "search", "auth", "ops", "transfer")
NETWORKS = {"request": (*SHARED, "request"), "response": (*SHARED, "response")}
# Envoy writes error bodies as google.rpc.Status; without these descriptions they come out empty.
ERROR_DETAILS = ("google/rpc/status.proto", "google/rpc/error_details.proto")


def protoc(*arguments: str) -> None:
    """Runs the pinned protoc with both import roots."""
    include = [f"--proto_path={PROTOS}", f"--proto_path={THIRD_PARTY}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *include, *arguments], check=True)


def sources(package: str) -> list[str]:
    """The proto files of one of our packages, relative to the import root."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "airlock" / package).rglob("*.proto"))


def generate(target: Path) -> None:
    """Writes Python modules, their stubs and Envoy's descriptor sets under `target`, which is emptied of them first."""
    for part in ("airlock", "buf", "descriptors"):
        shutil.rmtree(target / part, ignore_errors=True)
    (target / "descriptors").mkdir(parents=True)
    own = [file for package in sorted(p.name for p in (PROTOS / "airlock").iterdir()) for file in sources(package)]
    with_services = [file for file in own if file.endswith("_service.proto")]
    # googleapis-common-protos ships google/api and google/rpc as Python; only protovalidate's options have no module.
    protoc(f"--python_out={target}", f"--mypy_out=quiet:{target}", *own, "buf/validate/validate.proto")
    protoc(f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *with_services)
    for network, packages in NETWORKS.items():
        files = [file for package in packages for file in sources(package)]
        output = target / "descriptors" / f"{network}.binpb"
        protoc(f"--descriptor_set_out={output}", "--include_imports", *files, *ERROR_DETAILS)


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "gen")
