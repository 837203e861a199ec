"""Where a Core is, and how it is known to be the one."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cerebelum_client.errors import AddressError
from cerebelum_codegen.runtime.rpc import TlsError, client_tls

DEFAULT = "localhost:50051"
VARIABLE = "CEREBELUM_URL"
TLS_VARIABLE = "CEREBELUM_TLS_CA"
"""A file of certificates to check a Core's by, or `system` for those that the machine trusts. Unset: plain text."""


class Address(NamedTuple):
    """A host and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def core_address(given: str | None = None, environment: Mapping[str, str] = os.environ) -> Address:
    """The address given, else the one in CEREBELUM_URL, else localhost:50051.

    Raises:
        AddressError: it is no HOST:PORT.
    """
    return parse_address(given or environment.get(VARIABLE) or DEFAULT)


def core_tls(given: str | None = None, environment: Mapping[str, str] = os.environ) -> ssl.SSLContext | None:
    """What to check a Core by: the file given, else the one in CEREBELUM_TLS_CA; None means plain text.

    Raises:
        AddressError: the file cannot be used.
    """
    ca = given or environment.get(TLS_VARIABLE)
    if not ca:
        return None
    try:
        return client_tls(None if ca == "system" else Path(ca))
    except TlsError as error:
        raise AddressError(f"{error}: set {TLS_VARIABLE} to a file of certificates in PEM, or to 'system'") from None


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, `[IPV6]:PORT`, or either behind `http://` or `grpc://`.

    Raises:
        AddressError: it is nothing of that.
    """
    if text.startswith(("https://", "grpcs://")):
        raise AddressError(
            f"{text!r} is no address: write HOST:PORT; for TLS, set {TLS_VARIABLE} to 'system' or a file of "
            "certificates, and start the Core with --tls-cert and --tls-key"
        )
    bare = text.removeprefix("http://").removeprefix("grpc://").rstrip("/")
    host, colon, port = bare.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif any(each in host for each in ":[]"):
        host = ""
    if not colon or not host or not 0 <= number <= 65535 or "/" in host:
        raise AddressError(f"{text!r} is no address: write HOST:PORT, for example {DEFAULT}")
    return Address(host, number)
