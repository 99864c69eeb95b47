"""Receivers of webhooks on loopback, each as strict about a request as the real one is.

    with Receiver("gotify") as receiver:
        ... QSTICKY_WEBHOOK_URL=receiver.url ...
        assert receiver.told() == ["port 41000 -> 45720"]

Being a FaultyServer, it also misbehaves to order: a fault is by path, or ANY.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

from faulty_server import FaultyServer, Reply, Request

TOKEN = "Awk7.Bq2_S3creT-tok3n"

TARGETS = {
    # as a user copies it from docs/monitoring.md, and as `curl -g` sends it
    "ntfy": f"/qsticky?tpl=yes&t=%7B%7B.title%7D%7D&m=%7B%7B.message%7D%7D&auth={TOKEN}",
    "gotify": f"/message?token={TOKEN}",
    "discord": f"/api/webhooks/1310000000000000000/{TOKEN}",
}

TEMPLATE = re.compile(r"\{\{\.(\w+)\}\}")


class Receiver(FaultyServer):
    def __init__(self, like: str, **options: Any) -> None:
        super().__init__(**options)
        self.like = like
        self.token = TOKEN  # what it lets in
        self.messages: list[str] = []  # as a person gets to see them
        self.bodies: list[dict[str, Any]] = []  # of all requests, whatever was answered

    @property
    def path(self) -> str:
        """For faults."""
        return TARGETS[self.like].partition("?")[0]

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{TARGETS[self.like]}"

    def told(self) -> list[str]:
        with self._lock:
            return list(self.messages)

    def answer(self, request: Request) -> Reply:
        with self._lock:
            return getattr(self, f"_{self.like}")(request)

    def body(self, request: Request) -> dict[str, Any]:
        assert request.method == "POST"
        body = json.loads(request.body)
        self.bodies.append(body)
        return body

    def _ntfy(self, request: Request) -> Reply:
        """2.10 and newer: templates in the query."""
        query = dict(urllib.parse.parse_qsl(request.target.partition("?")[2]))
        if query.get("auth") != self.token:
            return error(403, {"code": 40301, "http": 403, "error": "forbidden"})
        body = self.body(request)
        assert query["tpl"] == "yes"
        title, message = (TEMPLATE.sub(lambda m: str(body[m[1]]), query[key]) for key in "tm")
        assert len(message) <= 4096
        self.messages.append(f"{title}: {message}")
        return as_json(200, {"id": "sPs71M8A2T", "event": "message", "message": message})

    def _gotify(self, request: Request) -> Reply:
        if request.target != f"/message?token={self.token}":
            return error(
                401,
                {
                    "error": "Unauthorized",
                    "errorCode": 401,
                    "errorDescription": "you need to provide a valid access token",
                },
            )
        assert request.header("Content-Type") == "application/json"  # else it takes it for a form
        body = self.body(request)
        types = {"title": str, "message": str, "priority": int, "extras": dict, "date": str}
        assert all(isinstance(body[name], types[name]) for name in types if name in body)
        assert body["message"]  # "required"
        self.messages.append(f"{body['title']}: {body['message']}")
        return as_json(200, {"id": 25, "appid": 5, **body})

    def _discord(self, request: Request) -> Reply:
        if request.target != f"/api/webhooks/1310000000000000000/{self.token}":
            return error(401, {"message": "Invalid Webhook Token", "code": 50027})
        assert request.header("Content-Type") == "application/json"
        body = self.body(request)
        assert 1 <= len(body["content"]) <= 2000
        assert body["allowed_mentions"] == {"parse": []}
        unwanted = {"username", "avatar_url", "tts", "embeds", "components", "flags", "poll"}
        assert not unwanted & set(body)
        self.messages.append(body["content"])
        return Reply(204, reason="No Content")


def as_json(status: int, value: object) -> Reply:
    return Reply(status, json.dumps(value).encode(), [("Content-Type", "application/json")], "")


error = as_json
