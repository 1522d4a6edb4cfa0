"""What can go wrong around the sandbox; each message names the cause and where to look."""

from __future__ import annotations


class SandboxError(Exception):
    """The base of all errors of the sandbox."""


class ProcessError(SandboxError):
    """A program did not start, did not become ready in time, or ended early."""


class PlatformError(SandboxError):
    """This machine lacks something that the embedded parts need."""


class CallError(SandboxError):
    """A call to a network's API was refused."""
