"""Gluetun's control server on loopback, as each of its versions answers.

    with ControlServer("v3.41.3", ports=[41000]) as server:
        server.roles = [Role(["GET /v1/portforward"], "apikey", apikey="hush")]
        ...
        assert [r.target for r in server.requests] == ["/v1/portforward"]

Being a FaultyServer, it also misbehaves to order: a fault is by path, or ANY.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from faulty_server import FaultyServer, Reply, Request

NEW = "/v1/portforward"
OLD = "/v1/openvpn/portforwarded"
OLDEST = "/openvpn/portforwarded"

# In the order of their release. "master" is what the image's tag `latest` is.
VERSIONS = ("v3.38", "v3.40", "v3.41.0", "v3.41.3", "master")


@dataclass
class Role:
    """As in Gluetun's config.toml."""

    routes: Sequence[str]
    auth: str = "none"
    username: str = ""
    password: str = ""
    apikey: str = ""
    name: str = "qsticky"

    def lets_in(self, request: Request) -> bool:
        if self.auth == "apikey":
            return request.header("X-API-Key") == self.apikey
        if self.auth == "basic":
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return request.header("Authorization") == f"Basic {pair}"
        return True


@dataclass
class Kind:
    """What sets a version apart."""

    routes: dict[str, str | None] = field(default_factory=dict)  # redirected where to
    has_auth: bool = True
    closed: bool = False  # also to routes of its own, while there is no role
    unknown: int = 401
    both_members: bool = False  # `port` and `ports`, whatever their number


SINCE_3_41 = {NEW: None, OLD: NEW}
KINDS = {
    "v3.38": Kind({OLD: None}, has_auth=False, unknown=400),
    "v3.40": Kind({OLD: None}),
    "v3.41.0": Kind(SINCE_3_41),
    "v3.41.3": Kind(SINCE_3_41, unknown=404, both_members=True),
    "master": Kind(SINCE_3_41, unknown=404, both_members=True, closed=True),
}


class ControlServer(FaultyServer):
    def __init__(self, version: str, ports: Sequence[int] | None = (), **options: Any) -> None:
        """`ports` None: port forwarding has not started yet."""
        super().__init__(**options)
        self.version = version
        self.ports = ports
        self.roles: list[Role] = []

    @property
    def kind(self) -> Kind:
        return KINDS[self.version]

    @property
    def route(self) -> str:
        """The one that answers."""
        return NEW if NEW in self.kind.routes else OLD

    def start(self) -> ControlServer:
        for role in self.roles if self.kind.has_auth else []:
            for route in role.routes:
                method, _, path = route.partition(" ")
                assert method == "GET" and path in self.kind.routes, (
                    f"Gluetun {self.version} does not start: it does not know {route}"
                )
        super().start()
        return self

    def targets(self) -> list[str]:
        with self._lock:
            return [request.target for request in self.requests]

    def answer(self, request: Request) -> Reply:
        kind, path = self.kind, request.target
        known = path in kind.routes
        if path == OLDEST:
            return redirect(308, OLD)
        if not known and kind.unknown != 401:
            return text(kind.unknown, "Not Found" if kind.unknown == 404 else "Bad Request")
        if kind.has_auth and not self.lets_in(request, known):
            headers = []
            if any(role.auth == "basic" for role in self.roles):
                headers = [("Www-Authenticate", 'Basic realm="restricted", charset="UTF-8"')]
            return text(401, "Unauthorized", headers)
        target = kind.routes[path]
        if target is not None:
            return redirect(301, target)
        return text(200, json.dumps(self.members(), separators=(",", ":")))

    def lets_in(self, request: Request, known: bool) -> bool:
        route = f"{request.method} {request.target}"
        roles = [role for role in self.roles if route in role.routes]
        if not known:
            return False
        if not self.roles and not self.kind.closed:
            return True
        return any(role.lets_in(request) for role in roles)

    def members(self) -> dict[str, Any]:
        ports = self.ports
        if self.kind.both_members:
            return {"port": ports[0] if ports else 0, "ports": ports if ports is None else [*ports]}
        if ports and len(ports) > 1 and self.version != "v3.38":
            return {"ports": [*ports]}
        return {"port": ports[0] if ports else 0}


def text(status: int, body: str, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """As Go sends what has no type."""
    plain = ("Content-Type", "text/plain; charset=utf-8")
    return Reply(status, f"{body}\n".encode(), [plain, *headers], "")


def redirect(status: int, target: str) -> Reply:
    body = f'<a href="{target}">Moved</a>.\n\n'.encode()
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Location", target)]
    return Reply(status, body, headers, "")
