"""Certificates, made with openssl: right ones, and wrong in every way."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import os
import secrets
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

KEYS = {
    "RSA 1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "RSA 2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "RSA 3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "RSA 4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
    # Of four primes, which are found sooner than two.
    "RSA 4608": (
        *("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4608"),
        *("-pkeyopt", "rsa_keygen_primes:4"),
    ),
    "RSA 6144": (
        *("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:6144"),
        *("-pkeyopt", "rsa_keygen_primes:4"),
    ),
    "RSA-PSS": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
    "P-256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "P-521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "brainpool": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1"),
    "Ed25519": ("-algorithm", "ED25519"),
}

# `openssl ca` is what can set both dates; `openssl x509` and `req` learn it in 3.4 only.
CA_CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
new_certs_dir = .
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = optional
[req]
distinguished_name = name
[name]
"""


def openssl(*args: str | os.PathLike[str], cwd: Path | None = None) -> bytes:
    done = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, check=False)
    assert done.returncode == 0, f"openssl {args}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def moment(seconds: float) -> str:
    """So many seconds from now, as ASN.1 writes it."""
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y%m%d%H%M%SZ")


@dataclass(frozen=True)
class Certificate:
    """One certificate with its key, both as PEM files, and those that issued it."""

    pki: Pki
    path: Path
    key: Path
    issuers: tuple[Certificate, ...] = ()  # the next above first, the root last
    is_ca: bool = False

    @property
    def pem(self) -> str:
        return self.path.read_text()

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.pem)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.der).hexdigest()

    @property
    def root(self) -> Certificate:
        return self.issuers[-1] if self.issuers else self

    @property
    def chain(self) -> Path:
        """A file of what a server should send: itself and the intermediates, not the root."""
        return bundle(self.path.with_suffix(".chain"), self, *self.issuers[:-1])

    def issue(self, *names: str, **options: object) -> Certificate:
        return self.pki.make(*names, issuer=self, **options)


def bundle(path: Path, *certificates: Certificate) -> Path:
    path.write_text("".join(certificate.pem for certificate in certificates))
    return path


class Pki:
    """Makes certificates in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        (folder / "ca.conf").write_text(CA_CONFIG)

    def make(
        self,
        *names: str,
        kind: str = "P-256",
        subject: str | None = None,
        issuer: Certificate | None = None,
        ca: bool = False,
        start: float = -3600,
        end: float = 24 * 3600,
        extensions: Sequence[str] = (),
        sign: Sequence[str] = (),
        key_of: Certificate | None = None,
        strings: str = "utf8only",
        ca_usage: str = "critical,keyCertSign,cRLSign",
    ) -> Certificate:
        """Self-signed where there is no issuer. `names` as openssl wants them: DNS:host,
        IP:127.0.0.1. `start` and `end` are seconds from now. `extensions` go before those that are
        usual. `key_of` lends its key, `strings` is openssl's string_mask,
        `ca_usage` a CA's key usage, if any."""
        number = next(self._numbers)
        folder = self.folder / str(number)  # one each: `openssl ca` keeps a database
        folder.mkdir()
        (folder / "index.txt").touch()
        (folder / "serial").write_text(f"{secrets.randbits(120) | 1 << 120:x}0\n")
        key, request, path = folder / "key.pem", folder / "request.pem", folder / "cert.pem"
        if key_of:
            key.write_bytes(key_of.key.read_bytes())
        else:
            openssl("genpkey", *KEYS[kind], "-out", key)
        key.chmod(0o644)  # qsticky never reads it; a server of another user does
        subject = f"/CN=qsticky test {number}" if subject is None else subject
        (folder / "request.conf").write_text(f"string_mask = {strings}\n{CA_CONFIG}")
        openssl(
            *("req", "-new", "-utf8", "-config", folder / "request.conf"),
            *("-key", key, "-subj", subject, "-out", request),
        )
        lines = [f"basicConstraints=critical,CA:{str(ca).upper()}", "subjectKeyIdentifier=hash"]
        lines += [f"keyUsage={ca_usage}"] if ca and ca_usage else []
        lines += [f"subjectAltName={','.join(names)}"] if names else []
        (folder / "extensions").write_text("\n".join([*lines, *extensions]) + "\n")
        signer = ["-cert", issuer.path, "-keyfile", issuer.key] if issuer else []
        openssl(
            *("ca", "-batch", "-notext", "-config", self.folder / "ca.conf"),
            *("-md", "default" if kind == "Ed25519" and not issuer else "sha256"),
            *("-startdate", moment(start), "-enddate", moment(end), "-extfile", "extensions"),
            *(signer or ["-selfsign", "-keyfile", key]),
            *("-in", request, "-out", path, *sign),
            cwd=folder,
        )
        above = (issuer, *issuer.issuers) if issuer else ()
        return Certificate(self, path, key, above, ca)

    def root(self, **options: object) -> Certificate:
        return self.make(ca=True, **{"subject": "/O=qsticky/CN=test root"} | options)

    def pair(self, certificate: Certificate, key: Certificate, *issuers: Certificate) -> Certificate:
        """One's certificate with another's key, or with other issuers."""
        return Certificate(self, certificate.path, key.key, issuers, certificate.is_ca)
