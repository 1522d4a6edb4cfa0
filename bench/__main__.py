"""`make bench`: every measurement, one after the other."""

from __future__ import annotations

from bench import (
    bundle,
    carrying,
    executing,
    importing_users,
    imports,
    large_answer,
    large_result,
    loop,
    rate_limit,
    status,
    submitting,
)


def main() -> None:
    """Runs them all; each can be run alone as `python -m bench.<name>`."""
    for measurement in (
        bundle,
        imports,
        importing_users,
        submitting,
        rate_limit,
        executing,
        large_answer,
        large_result,
        loop,
        carrying,
        status,
    ):
        measurement.main()


if __name__ == "__main__":
    main()
