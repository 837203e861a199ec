"""Where a Core is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from cerebelum_client.errors import AddressError

DEFAULT = "localhost:50051"
VARIABLE = "CEREBELUM_URL"


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


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, `[IPV6]:PORT`, or either behind `http://` or `grpc://`.

    Raises:
        AddressError: it is nothing of that.
    """
    bare = text.removeprefix("http://").removeprefix("grpc://").rstrip("/")
    host, colon, port = bare.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif any(each in host for each in ":[]"):
        host = ""
    if not colon or not host or not 0 <= number <= 65535 or "/" in host:
        raise AddressError(f"'{text}' is no address: write HOST:PORT, for example {DEFAULT}")
    return Address(host, number)
