"""Plays autoheal, which restarts unhealthy containers: asks the engine as that does, and restarts those
that it is to watch. AUTOHEAL_CONTAINER_LABEL=all: every one but those labelled autoheal=False."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import urllib.parse
from typing import Any

SOCKET = "/var/run/docker.sock"
LABEL = os.environ.get("AUTOHEAL_CONTAINER_LABEL", "autoheal")
INTERVAL = float(os.environ.get("AUTOHEAL_INTERVAL", "5"))


class Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def ask(method: str, path: str) -> Any:
    connection = Connection("docker", timeout=60)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    if response.status >= 300:
        raise OSError(f"{method} {path}: {response.status} {text}")
    return json.loads(text or "null")


def unhealthy() -> list[dict[str, Any]]:
    filters: dict[str, list[str]] = {"health": ["unhealthy"]}
    if LABEL != "all":
        filters["label"] = [f"{LABEL}=true"]
    query = urllib.parse.urlencode({"filters": json.dumps(filters)})
    found = ask("GET", f"/containers/json?{query}")
    return [one for one in found if LABEL != "all" or one["Labels"].get("autoheal") != "False"]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("Monitoring containers for unhealthy status", flush=True)
    while True:
        try:
            for one in unhealthy():
                print(f"Container {one['Names'][0]} found to be unhealthy: restarting", flush=True)
                ask("POST", f"/containers/{one['Id']}/restart?t=10")
        except OSError as error:
            print(error, flush=True)
        threading.Event().wait(INTERVAL)


if __name__ == "__main__":
    main()
