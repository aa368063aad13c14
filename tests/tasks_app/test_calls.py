"""A call to a provider trusts only whom the world trusts."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tasks_app.music import calls
from tasks_app.music.calls import Patience, ask
from tests.chat.raw_provider import RawProvider, whole
from tests.tasks_app.asked_music import base, error_of, summary

PATIENT = Patience(read_seconds=20, total_seconds=60)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """The path of a certificate that 127.0.0.1 has signed for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


class TlsProvider(RawProvider):
    """The same behind TLS."""

    def __init__(self, certificate, *answers) -> None:
        super().__init__(*answers)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self.base_url = self.base_url.replace("http://", "https://")

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            secured = self._context.wrap_socket(connection, server_side=True)
        except (ssl.SSLError, OSError):
            return
        super()._serve(secured, number)


def asked(provider: RawProvider, **fields):
    return ask("POST", base(provider), api_key="key", json={"a": 1}, patience=fields.pop("patience", PATIENT))


def test_a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_said(caplog, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # nor does the environment vouch
    calls._tls.cache_clear()
    with TlsProvider(certificate, whole({})) as provider:
        error = error_of(lambda: asked(provider), caplog)
    assert summary(error) == ("Unavailable", "upstream_error", False, True)
    assert provider.requests == []


class TestTrusted:
    @pytest.fixture(autouse=True)
    def trusted(self, certificate, monkeypatch):
        context = ssl.create_default_context(cafile=certificate)
        monkeypatch.setattr(calls, "_tls", lambda: context)

    def test_an_answer_comes_over_tls(self, certificate):
        with TlsProvider(certificate, whole({"b": 2})) as provider:
            answer = asked(provider)
        assert (answer.status, answer.json, provider.requests[0].body) == (200, {"b": 2}, {"a": 1})

    def test_a_drip_over_tls_ends_with_the_time_of_the_call(self, caplog, certificate):
        def dripping(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            try:
                while True:
                    connection.sendall(b"x")
                    connection.settimeout(0.02)
                    try:
                        if not connection.recv(1):
                            return
                    except TimeoutError:
                        connection.settimeout(None)
            except OSError:
                return

        with TlsProvider(certificate, dripping) as provider:
            error = error_of(lambda: asked(provider, patience=Patience(read_seconds=60, total_seconds=2)), caplog)
        assert summary(error) == ("Unavailable", "upstream_timeout", True, True)

    def test_a_call_that_is_over_before_it_is_connected_is_cut_then(self, caplog, certificate):
        with TlsProvider(certificate, whole({})) as provider:
            error = error_of(lambda: asked(provider, patience=Patience(read_seconds=60, total_seconds=0)), caplog)
        assert error.code == "upstream_timeout"
