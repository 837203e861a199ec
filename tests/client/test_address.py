"""Where a Core is: given, else CEREBELUM_URL, else localhost:50051."""

from __future__ import annotations

import pytest

from cerebelum_client import Address, AddressError, core_address, parse_address


@pytest.mark.parametrize(
    ("text", "address", "shown"),
    [
        ("core:50051", Address("core", 50051), "core:50051"),
        ("127.0.0.1:1", Address("127.0.0.1", 1), "127.0.0.1:1"),
        ("[::1]:50051", Address("::1", 50051), "[::1]:50051"),
        ("http://core:80/", Address("core", 80), "core:80"),
        ("grpc://core:80", Address("core", 80), "core:80"),
    ],
)
def test_an_address_is_read_and_shown(text: str, address: Address, shown: str) -> None:
    assert parse_address(text) == address
    assert str(address) == shown


@pytest.mark.parametrize("text", ["core", "core:", ":50051", "core:http", "core:65536", "core:-1", "::1:5", "a/b:1"])
def test_what_is_no_address_is_said_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match="is no address: write HOST:PORT, for example localhost:50051"):
        parse_address(text)


def test_what_is_given_comes_first_then_the_environment_then_the_default() -> None:
    environment = {"CEREBELUM_URL": "elsewhere:2"}
    assert core_address("here:1", environment) == Address("here", 1)
    assert core_address(None, environment) == Address("elsewhere", 2)
    assert core_address(None, {}) == Address("localhost", 50051)


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_an_address_that_asks_for_tls_is_told_how_it_is_asked_for(scheme: str) -> None:
    with pytest.raises(AddressError, match="for TLS, set CEREBELUM_TLS_CA to 'system' or a file of certificates"):
        parse_address(f"{scheme}://core:443")
