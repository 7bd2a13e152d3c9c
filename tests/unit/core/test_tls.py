"""What a service shows, whom commands believe, and what is said of files that cannot be shown."""

import ipaddress
import socket
import ssl
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekisho.errors import BadInputError, ConflictError, CorruptError, NotFoundError
from sekisho.settings import Settings, load_settings
from sekisho.tls import Tls, client_context, fingerprint, open_tls, read_ca, verify_for
from sekisho.tls.authority import open_authority, parse_name

NOW = datetime.now(UTC)


def generated(tmp_path, **more):
    return Settings(data=tmp_path / "data", tls="generated", **more)


def shown(tls, context, name):
    """Shake hands over a pair of sockets; return the certificate that the client accepted."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def serve():
        try:
            with tls.context.wrap_socket(theirs, server_side=True) as server:
                server.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with context.wrap_socket(ours, server_hostname=name) as client:
            found = client.getpeercert(binary_form=True)
            client.sendall(b"x")
    finally:
        ours.close()
        thread.join(10)
    return x509.load_der_x509_certificate(found)


def strict(ca):
    context = client_context(ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def test_a_strict_client_believes_the_generated_certificate_for_each_name(tmp_path):
    settings = generated(
        tmp_path, proxy_url="https://proxy.example:8471", tls_names="10.1.2.3, other.example", replica=True
    )
    tls = open_tls(settings)
    for name in ("localhost", "127.0.0.1", "::1", "proxy.example", "10.1.2.3", "other.example"):
        assert shown(tls, strict(settings.trusted_ca), name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(tls, strict(settings.trusted_ca), "elsewhere.example")
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(tls, client_context(None), "localhost")


def test_keys_can_be_read_by_nobody_else_and_the_authority_is_made_once(tmp_path):
    settings = generated(tmp_path)
    first, second = Tls(settings), Tls(settings)
    folder = tmp_path / "data" / "tls"
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in folder.iterdir()} == {
        "authority.pem": 0,
        "server.pem": 0,
        "ca.pem": 0o044,
    }
    assert b"PRIVATE" not in (folder / "ca.pem").read_bytes()
    context = client_context(settings.trusted_ca)
    assert shown(first, context, "localhost") == shown(second, context, "localhost")


def test_the_authority_cannot_vouch_for_another_house(tmp_path):
    """A stolen key is worth nothing elsewhere: clients refuse what it signs for other names and addresses."""
    settings = generated(tmp_path)
    Tls(settings)
    folder = settings.tls_folder
    authority = open_authority(folder / "authority.pem", [], NOW)
    for name in ("elsewhere.example", "203.0.113.5", "2001:db8::1"):
        stolen = authority.issue([parse_name(name)], NOW)
        (tmp_path / "stolen.pem").write_bytes(stolen)
        forged = Settings(tls="files", tls_certificate=tmp_path / "stolen.pem", tls_key=tmp_path / "stolen.pem")
        with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
            shown(Tls(forged), client_context(settings.trusted_ca), name)


def test_a_name_that_came_later_is_refused_with_the_way_out(tmp_path):
    Tls(generated(tmp_path))
    with pytest.raises(ConflictError, match=r"was not made for new\.example") as caught:
        Tls(generated(tmp_path, tls_names="new.example"))
    assert "configure every client again" in caught.value.todo


@pytest.mark.parametrize("name", ["*.example", "a b", "-x", "ex ample", "exämple", "x" * 64])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(BadInputError, match="neither a host name nor an address"):
        parse_name(name)


def test_it_is_renewed_in_time_while_it_is_shown(tmp_path):
    """The same context shows the new certificate: no restart, and connections that are open go on."""
    days = iter([-61, -2, 0, 0])
    tls = Tls(generated(tmp_path), clock=lambda: NOW + timedelta(days=next(days)))
    context = client_context(tmp_path / "data" / "tls" / "ca.pem")
    first = shown(tls, context, "localhost")
    assert not tls.refresh()
    assert tls.refresh()
    assert not tls.refresh()
    second = shown(tls, context, "localhost")
    assert second.not_valid_after_utc - first.not_valid_after_utc == timedelta(days=61)


def test_a_damaged_certificate_is_made_again_and_a_damaged_authority_is_not(tmp_path):
    settings = generated(tmp_path)
    Tls(settings)
    (settings.tls_folder / "server.pem").write_bytes(b"nonsense")
    assert shown(Tls(settings), client_context(settings.trusted_ca), "localhost")
    (settings.tls_folder / "authority.pem").write_bytes(b"nonsense")
    with pytest.raises(CorruptError):
        Tls(settings)


def test_an_authority_that_has_ended_says_so(tmp_path):
    settings = generated(tmp_path)
    Tls(settings)
    with pytest.raises(ConflictError, match="the generated CA ended on"):
        Tls(settings, clock=lambda: NOW + timedelta(days=3651))


def pair(tmp_path, *, now=NOW, password=None):
    """Write a supplied certificate and its key, as an authority of somebody else would."""
    authority = open_authority(tmp_path / "other" / "authority.pem", [parse_name("localhost")], NOW)
    both = authority.issue([parse_name("localhost")], now)
    kind = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = serialization.load_pem_private_key(both, None)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kind)
    certificate = x509.load_pem_x509_certificate(both).public_bytes(serialization.Encoding.PEM)
    (tmp_path / "key.pem").write_bytes(secret)
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    return Settings(tls="files", tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem")


def test_a_supplied_certificate_is_shown_and_taken_up_again_when_it_is_replaced(tmp_path):
    tls = Tls(pair(tmp_path))
    context = client_context(tmp_path / "ca.pem")
    first = shown(tls, context, "localhost")
    pair(tmp_path)
    assert tls.refresh()
    assert shown(tls, context, "localhost") != first


def test_a_bad_replacement_is_refused_and_the_old_one_stays(tmp_path):
    tls = Tls(pair(tmp_path))
    context = client_context(tmp_path / "ca.pem")
    first = shown(tls, context, "localhost")
    old = (tmp_path / "key.pem").read_bytes()
    pair(tmp_path)
    (tmp_path / "key.pem").write_bytes(old)
    with pytest.raises(BadInputError, match="does not belong"):
        tls.refresh()
    assert shown(tls, context, "localhost") == first


def other_key():
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize(
    ("spoil", "setting", "says"),
    [
        (lambda at: (at / "cert.pem").unlink(), "SEKISHO_TLS_CERTIFICATE", "no such file"),
        (lambda at: (at / "key.pem").unlink(), "SEKISHO_TLS_KEY", "no such file"),
        (lambda at: (at / "cert.pem").write_text("x"), "SEKISHO_TLS_CERTIFICATE", "no PEM certificate"),
        (lambda at: (at / "key.pem").write_text("x"), "SEKISHO_TLS_KEY", "no PEM private key"),
        (lambda at: (at / "key.pem").write_bytes(other_key()), "SEKISHO_TLS_KEY", "does not belong"),
        (lambda at: pair(at, now=NOW - timedelta(days=100)), "SEKISHO_TLS_CERTIFICATE", "the certificate ended on"),
        (lambda at: pair(at, now=NOW + timedelta(days=9)), "SEKISHO_TLS_CERTIFICATE", "the certificate begins on"),
        (lambda at: pair(at, password=b"secret"), "SEKISHO_TLS_KEY", "the key is encrypted"),
    ],
)
def test_what_cannot_be_shown_is_said_with_its_setting(tmp_path, spoil, setting, says):
    settings = pair(tmp_path)
    spoil(tmp_path)
    with pytest.raises((BadInputError, NotFoundError), match=says) as caught:
        Tls(settings)
    assert setting in caught.value.where


@pytest.mark.parametrize(
    "given",
    [
        {"SEKISHO_TLS": "files"},
        {"SEKISHO_TLS": "files", "SEKISHO_TLS_KEY": "k"},
        {"SEKISHO_TLS_CERTIFICATE": "c"},
        {"SEKISHO_TLS": "generated", "SEKISHO_TLS_KEY": "k"},
        {"SEKISHO_TLS": "maybe"},
    ],
)
def test_settings_that_do_not_fit_together_are_refused(monkeypatch, given):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadInputError, match=r"(?i)tls"):
        load_settings()


def test_addresses_follow_the_setting(tmp_path):
    assert Settings().proxy == "http://127.0.0.1:8471"
    assert generated(tmp_path, proxy_host="::1").proxy == "https://[::1]:8471"
    assert generated(tmp_path, proxy_url="https://p.example/").portal == "https://127.0.0.1:8470"


def test_a_fingerprint_is_what_openssl_prints(tmp_path):
    pair(tmp_path)
    command = ["openssl", "x509", "-noout", "-fingerprint", "-sha256", "-in", str(tmp_path / "ca.pem")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert said.partition("=")[2] == fingerprint((tmp_path / "ca.pem").read_bytes())


def test_authorities_are_files_of_certificates_and_nothing_else(tmp_path):
    pair(tmp_path)
    both = (tmp_path / "ca.pem").read_bytes() + (tmp_path / "key.pem").read_bytes()
    for data, says in ((b"x", "no PEM certificate"), (both, "private key")):
        (tmp_path / "bad.pem").write_bytes(data)
        with pytest.raises(BadInputError, match=says):
            read_ca(tmp_path / "bad.pem")
    with pytest.raises(NotFoundError):
        read_ca(tmp_path / "none.pem")
    with pytest.raises(BadInputError, match="cannot be read"):
        read_ca(tmp_path)
    assert verify_for("http://x", tmp_path / "none.pem") is True


def test_the_authority_is_limited_to_the_addresses_it_was_made_for(tmp_path):
    Tls(generated(tmp_path, replica=True))
    ca = x509.load_pem_x509_certificate((tmp_path / "data" / "tls" / "ca.pem").read_bytes())
    found = ca.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert {name.value for name in found.value.permitted_subtrees} == {
        "localhost",
        ipaddress.ip_network("127.0.0.1/32"),
        ipaddress.ip_network("::1/128"),
    }
