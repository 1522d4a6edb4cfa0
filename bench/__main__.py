"""`make bench`: every measurement, one after the other."""

from __future__ import annotations

from bench import bundle, carrying, imports, loop, rate_limit, status, submitting


def main() -> None:
    """Runs them all; each can be run alone as `python -m bench.<name>`."""
    for measurement in (bundle, imports, submitting, rate_limit, loop, carrying, status):
        measurement.main()


if __name__ == "__main__":
    main()
