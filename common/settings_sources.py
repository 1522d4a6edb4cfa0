"""How settings reach a process beside plain variables: secrets in files, and problems told all at once."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

SECRET_FILE_LIMIT = 16 * 1024
"""Bytes of a secret's file; a longer one was named by mistake."""


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """One setting that stops the service: which variable, what is wrong with it, what to do."""

    variable: str
    cause: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.cause} {self.next_step}"


class SettingsError(Exception):
    """The settings cannot be used. `problems` holds every cause, not just the first."""

    def __init__(self, problems: Sequence[SettingProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True, slots=True)
class UnusableSecretFile:
    """Stands for a secret whose file could not be used, until validation reports `cause` with all other problems."""

    cause: str


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads `NAME_FILE` for every secret `NAME`, as container platforms supply them, without a closing newline."""

    def __init__(self, settings_class: type[BaseSettings], variables: Sequence[PydanticBaseSettingsSource]) -> None:
        super().__init__(settings_class)
        self._variables: dict[str, str | None] = {}
        for source in reversed(variables):
            if isinstance(source, EnvSettingsSource):
                self._variables.update(source.env_vars)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret, or what stands for it, or None where no file is named."""
        if SecretStr not in (field.annotation, *getattr(field.annotation, "__args__", ())):
            return None, field_name, False
        name = self._variables.get(f"{field_name}_file")
        if not name:
            return None, field_name, False
        if self._variables.get(field_name):
            variable = field_name.upper()
            return UnusableSecretFile(f"both {variable} and {variable}_FILE are set."), field_name, False
        return _read_secret(Path(name)), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every secret that is named by a file."""
        found = {name: self.get_field_value(info, name)[0] for name, info in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _read_secret(path: Path) -> str | UnusableSecretFile:
    try:
        if path.stat().st_size > SECRET_FILE_LIMIT:
            return UnusableSecretFile(f"the file {path} is longer than {SECRET_FILE_LIMIT} bytes.")
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        return UnusableSecretFile(f"the file {path} cannot be read ({type(error).__name__}).")


def problems_of(error: ValidationError, fields: Mapping[str, FieldInfo]) -> list[SettingProblem]:
    """One problem for each failed field. The values themselves are left out: they may be secrets."""
    problems = []
    for failure in error.errors(include_input=False, include_url=False):
        name = str(failure["loc"][0]) if failure["loc"] else "settings"
        cause = "it is not set." if failure["type"] == "missing" else _sentence(failure["msg"])
        field = fields.get(name)
        hint = field.description if field is not None and field.description else "See the documentation of settings."
        problems.append(SettingProblem(variable=name.upper(), cause=cause, next_step=hint))
    return problems


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text if text.endswith(".") else f"{text}."


WEAK_SECRETS = frozenset(
    {"secret", "changeme", "change-me", "password", "development", "airlock", "default", "insecure"}
)
LEAST_SECRET_BYTES = 32
LEAST_DISTINCT_CHARACTERS = 10


def weakness_of_secret(secret: str) -> str | None:
    """Why `secret` is too weak to sign tokens with, or None. Placeholders from examples are weak at any length."""
    plain = secret.strip().lower()
    if len(secret.encode()) < LEAST_SECRET_BYTES:
        return f"it is shorter than {LEAST_SECRET_BYTES} bytes."
    if len(set(secret)) < LEAST_DISTINCT_CHARACTERS:
        return f"it has fewer than {LEAST_DISTINCT_CHARACTERS} different characters."
    if plain.startswith("<") or any(word in plain for word in WEAK_SECRETS):
        return "it is a default or an example, not a random secret."
    return None


def weakness_of_key(encoded: str) -> str | None:
    """Why the base64 text is no key of 32 random bytes, or None."""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return "it is not base64."
    if len(key) != LEAST_SECRET_BYTES:
        return f"it holds {len(key)} bytes instead of {LEAST_SECRET_BYTES}."
    # Of 32 random bytes, fewer than 16 distinct ones do not happen.
    return None if len(set(key)) >= LEAST_DISTINCT_CHARACTERS + 6 else "it is not random."
