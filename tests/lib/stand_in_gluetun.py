"""Plays Gluetun, as it was measured: owns the network namespace, has a tunnel device, gets ports from
the provider's gateway (far_end.py), writes them to its file, and serves health and control server.

    run                 what the image runs
    healthcheck         exit 0 while healthy
    port                prints the forwarded port; 0: none
    port N...           the gateway gives these from now on, and is asked now; 0: it refuses
    reconnect [N...]    the VPN restarts inside, as after a failed check of its own health
    gateway ANSWERS     the gateway's answers to NAT-PMP: yes, no (it refuses), silent
    cut, restore        the path to the VPN server
    probe               whether a peer out there would be let in: open or closed

From the environment, besides Gluetun's own variables:

    GLUETUN_VERSION     v3.40.0, v3.41.3 (the default) or master
    STAND_IN_SECOND     how long one of Gluetun's seconds takes (1)
    STAND_IN_PEERS      file of the network namespace in which the peers are
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from far_end import (
    ADDRESS,
    DEVICE,
    GATEWAY,
    Gateway,
    Refused,
    Wire,
    ask_for_port,
    ip,
    make_device_in,
)

PORT_FILE = os.environ.get("VPN_PORT_FORWARDING_STATUS_FILE", "/tmp/gluetun/forwarded_port")
VERSION = os.environ.get("GLUETUN_VERSION", "v3.41.3")
SECOND = float(os.environ.get("STAND_IN_SECOND", "1"))
PEERS = os.environ.get("STAND_IN_PEERS", "")
FORWARDS = os.environ.get("VPN_PORT_FORWARDING") == "on"
# Only master takes more than one from ProtonVPN.
PORTS = int(os.environ.get("VPN_PORT_FORWARDING_PORTS_COUNT", "1")) if VERSION == "master" else 1

HEALTH = ("127.0.0.1", 9999)
CONTROL = 8000
STATUS = "/v1/vpn/status"
TABLE = "51820"
RULE = ("not", "fwmark", TABLE, "table", TABLE, "priority", "101")
OLD = VERSION == "v3.40.0"

# In Gluetun's seconds.
REFRESH = 45
RETRY = 5
OWN_CHECK = 22  # of v3.40.0: until it notices that the path is cut
RULE_RETRY = 15  # then 30, 60


def log(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", flush=True)


def write_file(ports: list[int]) -> None:
    """Truncated and written in place, a port a line and no newline after the last."""
    if OLD and not ports:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(PORT_FILE)
        return
    fd = os.open(PORT_FILE, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    if ports:
        os.write(fd, "\n".join(map(str, ports)).encode())
    os.close(fd)
    os.chown(PORT_FILE, int(os.environ.get("PUID", "0")), int(os.environ.get("PGID", "0")))


def run_command(variable: str, ports: list[int]) -> None:
    """VPN_PORT_FORWARDING_UP_COMMAND or _DOWN_COMMAND: no shell; what goes wrong is only logged."""
    command = os.environ.get(variable, "")
    for name, value in (
        ("{{PORTS}}", ",".join(map(str, ports))),
        ("{{PORT}}", str(ports[0])),
        ("{{VPN_INTERFACE}}", DEVICE),
    ):
        command = command.replace(name, value)
    if command:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            log(f"ERROR [port forwarding] running command: {done.stderr.strip()}")


def add_routes() -> None:
    """All goes through the tunnel but what is for the networks around. FileExistsError: the rule of a
    Gluetun that was killed is here still."""
    for link in json.loads(subprocess.check_output(["ip", "-json", "-4", "address"])):
        for address in link["addr_info"] if link["ifname"] not in ("lo", DEVICE) else ():
            with contextlib.suppress(FileExistsError):
                to = f"{address['local']}/{address['prefixlen']}"
                ip("rule", "add", "to", to, "table", "main", "priority", "98")
    ip("route", "replace", "default", "dev", DEVICE, "table", TABLE)
    try:
        ip("rule", "add", *RULE)
    except FileExistsError:
        if not OLD:
            raise FileExistsError("adding IPv4 rule: adding ip rule 101: file exists") from None


class Forwarding:
    """The service that gets ports, and keeps them, for as long as one connection of the VPN lasts."""

    def __init__(self) -> None:
        self.ports: list[int] = []  # as the control server tells them
        self.asked = 0  # how often the gateway has answered, or not
        self._stop = threading.Event()
        self._now = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Down-command first, then the file."""
        self._stop.set()
        self._now.set()
        self._thread.join()
        self._take_back()

    def ask_now(self) -> None:
        """Before the next refresh is due; returns when that was done."""
        if self._thread.is_alive():
            before = self.asked
            self._now.set()
            wait_for(lambda: self.asked != before or not self._thread.is_alive())

    def _run(self) -> None:
        try:
            self._give(self._ask())
        except (Refused, TimeoutError) as error:
            # And that was it, until the VPN restarts.
            log(
                "ERROR [vpn] starting port forwarding service: port forwarding for the first time: "
                f"{error}"
            )
            return
        finally:
            self.asked += 1
        while self._pause(RETRY if not self.ports else REFRESH):
            try:
                self._refresh(self._ask())
            except (Refused, TimeoutError) as error:
                if self._stop.is_set():
                    break
                log(f"ERROR [port forwarding] refreshing port forward: {error}")
                self._take_back()
                if OLD:
                    break  # it never asks again
            finally:
                self.asked += 1

    def _pause(self, seconds: float) -> bool:
        self._now.wait(seconds * SECOND)
        self._now.clear()
        return not self._stop.is_set()

    def _ask(self) -> list[int]:
        ports = [ask_for_port(slot + 1, SECOND, self._stop) for slot in range(PORTS)]
        return sorted(ports)

    def _refresh(self, ports: list[int]) -> None:
        if ports == self.ports:
            return
        if not self.ports and VERSION == "master":
            self._give(ports)  # after an outage it writes, clears and writes
        if self.ports:
            log(f"INFO [port forwarding] port changed: {self.ports} -> {ports}")
            self._take_back()
        self._give(ports)

    def _give(self, ports: list[int]) -> None:
        self.ports = ports
        log(f"INFO [port forwarding] ports forwarded are {', '.join(map(str, ports))}")
        write_file(ports)
        run_command("VPN_PORT_FORWARDING_UP_COMMAND", ports)

    def _take_back(self) -> None:
        if self.ports:
            run_command("VPN_PORT_FORWARDING_DOWN_COMMAND", self.ports)
            self.ports = []
            write_file([])


class Gluetun:
    def __init__(self) -> None:
        self.health = "did not run yet"
        self.status = "stopped"
        self.is_cut = False
        self.gateway = Gateway(SECOND, PORTS)
        self._peers = make_device_in(PEERS, f"{GATEWAY}/24") if PEERS else -1
        self._wire: Wire | None = None
        self._forwarding: Forwarding | None = None
        self._vpn = threading.Thread()
        self._stop = threading.Event()
        self._one_at_a_time = threading.RLock()

    @property
    def ports(self) -> list[int]:
        return list(self._forwarding.ports) if self._forwarding else []

    def start(self, ports: list[int]) -> None:
        """Returns at once, as the control server does."""
        with self._one_at_a_time:
            self.status = "running"
            self._stop.clear()
            self._vpn = threading.Thread(target=self._run, args=(ports,), daemon=True)
            self._vpn.start()

    def stop(self, health: str = "") -> None:
        """Port forwarding ends first. With `health` unhealthy for that reason."""
        with self._one_at_a_time:
            self._stop.set()
            self._vpn.join()
            self.health = health or self.health
            self._disconnect()
            self.status = "stopped"

    def restart(self, ports: list[int]) -> None:
        with self._one_at_a_time:
            self.stop("the VPN is down")
            time.sleep(1.5)  # a tunnel takes its time; the sockets there are dead by then
            self.start(ports)
            wait_for(lambda: self.ports or not FORWARDS)

    def set_cut(self, is_cut: bool) -> None:
        self.is_cut = is_cut
        if self._wire:
            self._wire.cut = is_cut
        if is_cut and OLD:
            threading.Timer(OWN_CHECK * SECOND, self._notice_cut).start()

    def give(self, ports: list[int]) -> None:
        """0: the gateway refuses."""
        with self._one_at_a_time:
            self.gateway.answers = "yes" if ports[0] else "no"
            self.gateway.ports = ports
            if self._forwarding:
                self._forwarding.ask_now()

    def _notice_cut(self) -> None:
        if not self.is_cut:
            return
        self.stop("the VPN is down")
        wait_for(lambda: not self.is_cut, 3600)
        self.start([])

    def _run(self, ports: list[int]) -> None:
        pause = RULE_RETRY
        while not self._stop.is_set():
            try:
                self._connect(ports)
                return
            except FileExistsError as error:
                log(f"ERROR [vpn] {error}")
                self._close_wire()
                log(f"INFO [vpn] retrying in {pause}s")
                self._stop.wait(pause * SECOND)
                pause = min(2 * pause, 480)

    def _connect(self, ports: list[int]) -> None:
        """In Gluetun's order: device, address, link, routes, healthy, and the port last."""
        self.gateway.new_client(ports)
        self._wire = Wire(self.gateway, self._peers)
        self._wire.cut = self.is_cut
        add_routes()
        self.health = ""
        if FORWARDS:
            self._forwarding = Forwarding()

    def _disconnect(self) -> None:
        """The port goes first, the device last. What is not there needs nothing."""
        if self._forwarding:
            self._forwarding.stop()
            self._forwarding = None
        if self._wire:
            ip("rule", "del", *RULE)
            self._close_wire()

    def _close_wire(self) -> None:
        assert self._wire is not None
        self._wire.close()
        self._wire = None


def wait_for(check: Callable[[], object], timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not check() and time.monotonic() < deadline:
        time.sleep(0.005)


# -- what it serves ------------------------------------------------------------------


def handler_of(gluetun: Gluetun) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the real one's only answer
            self.answer(500 if gluetun.health else 200, gluetun.health)

        def do_POST(self) -> None:  # for the commands of this stand-in
            what, *args = self.path.strip("/").split("/")
            if what == "reconnect":
                gluetun.restart([int(port) for port in args])
            elif what == "port" and args:
                gluetun.give([int(port) for port in args])
            elif what == "gateway":
                gluetun.gateway.answers = args[0]
            elif what in ("cut", "restore"):
                gluetun.set_cut(what == "cut")
            self.answer(200, str(gluetun.ports[0] if gluetun.ports else 0))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def serve_control(gluetun: Gluetun) -> None:
    """Who may ask, and what is answered, control_server.py knows for each version."""
    import tomllib

    from control_server import ControlServer, Reply, Request, Role, text

    path = os.environ.get(
        "HTTP_CONTROL_SERVER_AUTH_CONFIG_FILEPATH", "/gluetun/auth/config.toml"
    )
    default = json.loads(os.environ.get("HTTP_CONTROL_SERVER_AUTH_DEFAULT_ROLE") or "{}")

    class Control(ControlServer):
        def answer(self, request: Request) -> Reply:
            self.ports = gluetun.ports
            reply = self.answer_status(request) if request.target == STATUS else super().answer(request)
            if os.environ.get("HTTP_CONTROL_SERVER_LOG", "on") == "on":
                log(f"INFO [http server] {reply.status} {request.method} {request.target}")
            return reply

        def lets_in(self, request: Request, known: bool) -> bool:
            """Where no role lists the route, the default role is asked."""
            route = f"{request.method} {request.target}"
            if known and default and not any(route in role.routes for role in self.roles):
                return Role([], **default).lets_in(request)
            return super().lets_in(request, known)

        def answer_status(self, request: Request) -> Reply:
            if not self.lets_in(request, True):
                return text(401, "Unauthorized")
            if request.method == "PUT":
                wanted = json.loads(request.body)["status"]
                if wanted == "stopped" and gluetun.status != wanted:
                    gluetun.stop()
                elif wanted == "running" and gluetun.status != wanted:
                    gluetun.start([])
                return text(200, json.dumps({"outcome": wanted}, separators=(",", ":")))
            return text(200, json.dumps({"status": gluetun.status}, separators=(",", ":")))

    server = Control({"v3.40.0": "v3.40"}.get(VERSION, VERSION), host="")
    server.port = CONTROL
    if os.path.exists(path):
        with open(path, "rb") as file:
            server.roles = [Role(**role) for role in tomllib.load(file)["roles"]]
    server.start()


def run() -> int:
    os.makedirs(os.path.dirname(PORT_FILE), mode=0o644, exist_ok=True)  # its mode, too
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    gluetun = Gluetun()
    server = http.server.ThreadingHTTPServer(HEALTH, handler_of(gluetun))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    serve_control(gluetun)
    gluetun.start([int(port) for port in os.environ.get("STAND_IN_PORTS", "").split()])
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    gluetun.stop("the VPN is down")
    return 0


# -- its commands --------------------------------------------------------------------


def ask(method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*HEALTH, timeout=90)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def healthcheck() -> int:
    status, text = ask("GET", "/")
    print(text)
    return 0 if status == 200 else 1


def probe() -> int:
    """To the tunnel's own address: let in just when a packet from outside would be."""
    try:
        with open(PORT_FILE, encoding="ascii") as file:
            port = file.readline()
        socket.create_connection((ADDRESS, int(port)), timeout=2).close()
    except (OSError, ValueError) as error:
        print(f"closed: {error}")
        return 1
    print("open")
    return 0


def main(command: str = "run", *args: str) -> int:
    if command == "run":
        return run()
    if command == "healthcheck":
        return healthcheck()
    if command == "probe":
        return probe()
    status, text = ask("POST", "/".join(["", command, *args]))
    print(text)
    return 0 if status == 200 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
