"""The settings that say where the search engine is and how the service is let in; part of `NetworkSettings`."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from common.addresses import read_addresses

_API_KEY = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


class SearchEngineSettings(BaseSettings):
    """Elasticsearch, or the folder of the built-in engine."""

    elasticsearch_url: str | None = Field(
        None,
        description="Set it to https://host:9200, or to several addresses of one cluster with commas.",
    )
    elasticsearch_username: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        pattern=r"^[^:\x00-\x1f\x7f]+$",
        description="Name a user who may only read, as deploy/elasticsearch/make-reader.sh makes one.",
    )
    elasticsearch_password: SecretStr | None = Field(
        None, validate_default=True, description="Set both name and password, or neither and an API key."
    )
    elasticsearch_api_key: SecretStr | None = Field(
        None, description="Set the key as Elasticsearch gave it in `encoded`, instead of name and password."
    )
    elasticsearch_ca_file: Path | None = Field(
        None, description="Name a PEM file with the certificate of the authority that signed the cluster's."
    )
    embedded_search_dir: Path | None = Field(None, description="Name the folder of the built-in search engine.")

    @field_validator("elasticsearch_url")
    @classmethod
    def _addresses_can_be_asked(cls, value: str | None) -> str | None:
        return value if value is None else ",".join(read_addresses(value))

    @field_validator("elasticsearch_password")
    @classmethod
    def _name_and_password_come_together(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A refused name is absent from the data and has been reported already.
        username = info.data.get("elasticsearch_username", ...)
        if value is None and isinstance(username, str):
            raise ValueError("ELASTICSEARCH_USERNAME is set without it.")
        if value is not None and username is None:
            raise ValueError("it is set without ELASTICSEARCH_USERNAME.")
        return value

    @field_validator("elasticsearch_api_key")
    @classmethod
    def _key_is_encoded(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        if info.data.get("elasticsearch_username") is not None:
            raise ValueError("both it and ELASTICSEARCH_USERNAME are set.")
        if not _is_encoded_key(value.get_secret_value()):
            raise ValueError("it is not the base64 of an id, a colon and a key.")
        return value

    @field_validator("elasticsearch_ca_file")
    @classmethod
    def _authority_can_be_read(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not value.is_file():
            raise ValueError(f"there is no file {value}.")
        try:
            ssl.create_default_context(cafile=str(value))
        except ssl.SSLError:
            raise ValueError(f"the file {value} holds no certificate in PEM.") from None
        except OSError as error:
            raise ValueError(f"the file {value} cannot be read ({type(error).__name__}).") from None
        if (info.data.get("elasticsearch_url") or "").startswith("http:"):
            raise ValueError("it is set, but ELASTICSEARCH_URL begins with http://, so nothing would be checked.")
        return value


def _is_encoded_key(text: str) -> bool:
    if not _API_KEY.fullmatch(text):
        return False
    try:
        return b":" in base64.b64decode(text, altchars=b"-_" if {"-", "_"} & set(text) else None)
    except binascii.Error:
        return False
