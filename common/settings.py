"""The settings that both networks share, read from the environment, from secret files and from `.env`.

Each service subclasses `NetworkSettings` and loads it with `load_settings`, which reports every problem at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from airlock.common.v1 import network_pb2
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from common.settings_search import SearchEngineSettings
from common.settings_sources import (
    SecretFileSource,
    SettingProblem,
    SettingsError,
    UnusableSecretFile,
    problems_of,
    weakness_of_key,
    weakness_of_secret,
)

__all__ = ["NetworkSettings", "Seconds", "SettingProblem", "SettingsError", "load_settings"]

Seconds = Annotated[int, Field(ge=1, le=86_400, description="Give whole seconds, 1 to 86400.")]
Days = Annotated[int, Field(ge=1, le=3650, description="Give whole days, 1 to 3650.")]
_POSTGRESQL = ("postgresql://", "postgres://", "postgresql+psycopg://")
_REDIS = ("redis://", "rediss://", "unix://")


class NetworkSettings(SearchEngineSettings, BaseSettings):
    """What both services are told from outside. A field's description is the next step shown when it is refused."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    network: ClassVar[network_pb2.Network.ValueType] = network_pb2.NETWORK_UNSPECIFIED

    sandbox: bool = Field(False, description="Use true on a developer's machine only, else leave it unset.")

    database_url: SecretStr = Field(description="Set it to postgresql://user:password@host:5432/database.")
    migration_database_url: SecretStr | None = Field(
        None, description="Set it to the URL of the database's owner, or leave it unset to use DATABASE_URL."
    )
    database_pool_size: int = Field(10, ge=1, le=200, description="Give 1 to 200 connections per process.")
    database_prepared_statements: bool = Field(True, description="Use false behind PgBouncer in transaction mode.")
    redis_url: SecretStr = Field(description="Set it to redis://host:6379/0.")

    secret_key: SecretStr = Field(
        description="Make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
    )
    jwt_algorithm: Literal["HS256"] = Field("HS256", description="Only HS256 is spoken; leave it unset.")
    jwt_expiry_minutes: int = Field(60, ge=1, le=1440, description="Give 1 to 1440 minutes.")
    refresh_expiry_days: int = Field(7, ge=1, le=90, description="Give 1 to 90 days.")
    session_poll_seconds: float = Field(2.0, gt=0, le=4, description="Give at most 4 seconds: endings count within 5.")
    argon2_time_cost: int = Field(3, ge=1, le=20, description="Give 1 to 20 passes.")
    argon2_memory_kib: int = Field(
        65_536, ge=8, le=4_194_304, description="Give KiB; 65536 is RFC 9106's second choice."
    )
    argon2_parallelism: int = Field(4, ge=1, le=64, description="Give 1 to 64 lanes.")
    argon2_threads: int = Field(2, ge=1, le=64, description="Give how many passwords are hashed at once.")

    export_dir: Path = Field(description="Name the folder from which bundles are taken.")
    import_dir: Path = Field(description="Name the folder to which bundles are delivered, another than EXPORT_DIR.")
    encryption_key: SecretStr | None = Field(None, description="Run `transfer keygen` and set what it prints.")
    encryption_keyring_file: Path | None = Field(
        None,
        validate_default=True,
        description="Run `transfer keygen` and name its keyring.json here, or set ENCRYPTION_KEY.",
    )
    signing_key_file: Path = Field(description="Run `transfer keygen` and name this network's *-signing.key.")
    peer_signing_keys_file: Path = Field(
        description="Run `transfer keygen` and name the other network's *-signing.pub."
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Use DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["json", "console"] = Field("json", description="Use json or console.")

    serve_processes: int = Field(2, ge=1, le=64, description="Give 1 to 64 processes.")
    grpc_listen: str = Field(
        "unix:.airlock/run/{network}-{process}.sock",
        validate_default=True,
        description="Use unix:<path with {process}> or host:port; with host:port each process takes the next port.",
    )
    api_host: str = Field("127.0.0.1", description="Name the host on which Envoy listens.")
    api_port: int = Field(8080, ge=1, le=65_535, description="Give the port on which Envoy listens.")
    drain_seconds: int = Field(30, ge=0, le=30, description="Give 0 to 30 seconds.")

    worker_count: int = Field(8, ge=1, le=256, description="Give how many queries a worker host runs at once.")

    export_users_seconds: Seconds = 300
    export_policy_seconds: Seconds = 300
    export_requests_seconds: Seconds = 120
    export_responses_seconds: Seconds = 120
    import_seconds: Seconds = 30
    import_users_seconds: Seconds = 60
    import_policy_seconds: Seconds = 60
    execute_sweep_seconds: Seconds = 30
    clean_up_cron: str = Field(
        "0 2 * * *", pattern=r"^\S+( \S+){4}$", description="Give five cron fields, in UTC: 0 2 * * *."
    )
    keep_sent_days: Days = 7
    keep_received_days: Days = 30
    seal_audit_seconds: Seconds = 300
    keep_audit_days: int = Field(365, ge=30, le=36_500, description="Give whole days, 30 to 36500.")

    airlock_kill_at: str | None = Field(
        None, max_length=100, description="It is for fault tests with SANDBOX=true; leave it unset."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Variables win over `.env`; a secret may come from the file that `NAME_FILE` names."""
        files = SecretFileSource(settings_cls, (env_settings, dotenv_settings))
        return init_settings, files, env_settings, dotenv_settings

    @field_validator("*", mode="before")
    @classmethod
    def _secret_file_was_read(cls, value: Any) -> Any:  # noqa: ANN401 - any field, before its type is known.
        if isinstance(value, UnusableSecretFile):
            raise ValueError(value.cause)  # noqa: TRY004 - pydantic reports ValueErrors.
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _names_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(_POSTGRESQL):
            raise ValueError("it does not begin with postgresql://.")
        return value

    @field_validator("redis_url")
    @classmethod
    def _names_redis(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(_REDIS):
            raise ValueError("it does not begin with redis://, rediss:// or unix://.")
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_is_strong(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        weakness = weakness_of_secret(value.get_secret_value())
        if weakness and not info.data.get("sandbox"):
            raise ValueError(weakness)
        return value

    @field_validator("encryption_key")
    @classmethod
    def _key_is_random(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        weakness = weakness_of_key(value.get_secret_value()) if value is not None else None
        if weakness and not (info.data.get("sandbox") and weakness == "it is not random."):
            raise ValueError(weakness)
        return value

    @field_validator("encryption_keyring_file")
    @classmethod
    def _some_key_is_named(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        # A refused ENCRYPTION_KEY is absent from the data and has been reported already.
        if value is None and info.data.get("encryption_key", ...) is None:
            raise ValueError("neither ENCRYPTION_KEY nor ENCRYPTION_KEYRING_FILE is set; bundles are always encrypted.")
        return value

    @field_validator("encryption_keyring_file", "signing_key_file", "peer_signing_keys_file")
    @classmethod
    def _file_is_there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"there is no file {value}.")
        return value

    @field_validator("import_dir")
    @classmethod
    def _folders_are_apart(cls, value: Path, info: ValidationInfo) -> Path:
        export_dir = info.data.get("export_dir")
        if export_dir is not None:
            exports, imports = export_dir.absolute(), value.absolute()
            if exports == imports or exports in imports.parents or imports in exports.parents:
                raise ValueError("it lies in EXPORT_DIR, or EXPORT_DIR in it.")
        return value

    @field_validator("grpc_listen")
    @classmethod
    def _listens_apart(cls, value: str, info: ValidationInfo) -> str:
        if value.startswith("unix:"):
            if "{process}" not in value and info.data.get("serve_processes", 1) > 1:
                raise ValueError("{process} is missing, so that all processes would take one socket.")
        elif not re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):\d{1,5}", value):
            raise ValueError("it is neither unix:<path> nor host:port.")
        return value

    @field_validator("airlock_kill_at")
    @classmethod
    def _kills_in_the_sandbox_only(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("sandbox"):
            raise ValueError("it works with SANDBOX=true only.")
        return value

    @property
    def network_name(self) -> str:
        """`request` or `response`."""
        return network_pb2.Network.Name(self.network).removeprefix("NETWORK_").lower()

    @property
    def owner_database_url(self) -> str:
        """The URL for migrations: of the owner where one is named, else the service's own."""
        return (self.migration_database_url or self.database_url).get_secret_value()

    def listen_address(self, process: int) -> str:
        """The address of the `process`-th serve process (from 0), as grpc takes it: a socket path or the next port."""
        if self.grpc_listen.startswith("unix:"):
            return self.grpc_listen.replace("{network}", self.network_name).replace("{process}", str(process))
        host, _, port = self.grpc_listen.rpartition(":")
        return f"{host}:{int(port) + process}"

    @classmethod
    def from_environment(cls) -> Self:
        """The same as `load_settings(cls)`."""
        return load_settings(cls)


SomeSettings = TypeVar("SomeSettings", bound=NetworkSettings)


def load_settings(settings_class: type[SomeSettings]) -> SomeSettings:
    """Reads the settings. Raises SettingsError with every problem that they have."""
    try:
        return settings_class()  # type: ignore[call-arg] # The environment supplies the required fields.
    except ValidationError as error:
        raise SettingsError(problems_of(error, settings_class.model_fields)) from None
