"""Contexts for connections that nobody else can read, with HTTP/2 agreed on."""

from __future__ import annotations

import ssl
from pathlib import Path


class TlsError(Exception):
    """A certificate or key that cannot be used; the message names the file."""


def server_tls(certificate: Path, key: Path, *, client_ca: Path | None = None) -> ssl.SSLContext:
    """For `Server.start`: its certificate chain and private key as PEM files.

    With `client_ca`, only clients with a certificate that it has signed may connect.

    Raises:
        TlsError: a file that cannot be read or used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"cannot use certificate '{certificate}' with key '{key}': {_reason(error)}") from None
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return _http2(context)


def client_tls(ca: Path | None = None, *, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """For `Channel`: whom to trust, by default whom the system trusts; and a certificate, where the server wants one.

    Raises:
        TlsError: a file that cannot be read or used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _trust(context, ca)
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"cannot use certificate '{certificate}': {_reason(error)}") from None
    return _http2(context)


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"cannot use the certificates in '{ca}': {_reason(error)}") from None


def _http2(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
