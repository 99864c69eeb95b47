"""Beside the stand-in for Gluetun: for how long there was a port and nobody got in, case by case."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_base import Plan, Result
from gluetun import Gluetun, Record
from harness import PortFile, QBittorrent, Qsticky, free_port, wait_until
from namespace import Namespace

FAST = 0.05  # one of Gluetun's seconds, where it waits for minutes
BY_CONTROL_SERVER = {"QSTICKY_PORT_SOURCE": "gluetun", "QSTICKY_GLUETUN_HOST": "127.0.0.1"}
INTERVAL = 30
# As Gluetun's documentation has them, but for the wget.
POST = "curl --silent --data json={} http://127.0.0.1:WEBUI/api/v2/app/setPreferences"
COMMANDS = {
    "UP": POST.format(
        '\'{"listen_port":{{PORT}},"current_network_interface":"{{VPN_INTERFACE}}",'
        '"random_port":false,"upnp":false}\''
    ),
    "DOWN": POST.format('\'{"listen_port":0,"current_network_interface":"lo"}\''),
}


class Stack(contextlib.ExitStack):
    """Gluetun, and so many qBittorrents with a qsticky each. Nothing is started yet."""

    def __init__(
        self,
        binary: Path,
        place: Path,
        *,
        version: str = "v3.41.3",
        env: Mapping[str, str] | None = None,
        its_env: dict[str, str] | None = None,
        count: int = 1,
        commands: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__()
        self.namespace = self.enter_context(Namespace())
        self.namespace.set_ipv6(False)
        self.namespace.add_bridge()
        file = PortFile(place / "gluetun" / "forwarded_port")
        self.servers = [
            QBittorrent(place / f"profile{number}", address="", local_auth=False)
            for number in range(count)
        ]
        webui_port = self.servers[0].webui_port
        said = {f"VPN_PORT_FORWARDING_{name}_COMMAND": COMMANDS[name] for name in commands}
        said = {name: text.replace("WEBUI", str(webui_port)) for name, text in said.items()}
        self.gluetun = Gluetun(
            self.namespace, file, version, env={**said, **(its_env or {})}, **options
        )
        self.callback(self.gluetun.close)
        self.sidecars = [
            Qsticky(
                binary,
                port_file=file,
                health_file=place / f"health{number}" / "status.json",
                qbittorrent_port=server.webui_port,
                interval=INTERVAL,
                env={"QSTICKY_PORT_INDEX": str(number + 1), "QSTICKY_VPN_INTERFACE": ""}
                | dict(env or {}),
            )
            for number, server in enumerate(self.servers)
        ]
        for started in (*self.servers, *self.sidecars):
            self.callback(started.kill)

    def start(self) -> Stack:
        self.gluetun.start()
        for server in self.servers:
            server.start()
        self.wait_ports()
        for sidecar in self.sidecars:
            sidecar.start()
        self.wait_open()
        return self

    def wait_ports(self) -> list[int]:
        return wait_until(
            lambda: ports if len(ports := self.gluetun.ports()) >= len(self.servers) else [],
            60,
            "the ports",
        )

    def wait_open(self) -> None:
        for number, sidecar in enumerate(self.sidecars):
            wait_until(
                lambda: len(ports := self.gluetun.ports()) > number
                and self.namespace.far_end_reaches(ports[number]),
                70,
                "the port to be open",
            )
            port = self.gluetun.ports()[number]
            sidecar.wait_health(70, healthy=True, reachable=True, current_port=port)

    @contextlib.contextmanager
    def recorded(self, dead: list[float]) -> Iterator[None]:
        """What comes, until all are open again; adds the longest time that one was dead for."""
        records = [
            Record(self.gluetun, sidecar, number) for number, sidecar in enumerate(self.sidecars)
        ]
        with contextlib.ExitStack() as stack:
            for record in records:
                stack.enter_context(record)
            yield
            self.wait_open()
        dead.append(max(record.closed_for() for record in records))


def cold_starts(binary: Path, tmp: Path, dead: dict[str, list[float]]) -> None:
    for order in itertools.permutations(("Gluetun", "qBittorrent", "qsticky")):
        name = f"cold start: {', '.join(order)}"
        with Stack(binary, tmp / "-".join(order)) as stack:
            start: dict[str, Callable[[], object]] = {
                "Gluetun": stack.gluetun.start,
                "qBittorrent": stack.servers[0].start,
                "qsticky": stack.sidecars[0].start,
            }
            with stack.recorded(dead.setdefault(name, [])):
                for who in order:
                    start[who]()


def renewal(stack: Stack) -> None:
    stack.gluetun("port", free_port())


def same_port(stack: Stack) -> None:
    stack.gluetun("reconnect", *stack.gluetun.ports())


def other_port(stack: Stack) -> None:
    stack.gluetun("reconnect")


def stopped(stack: Stack) -> None:
    stack.gluetun.set_status("stopped")
    stack.gluetun.set_status("running")


def killed(stack: Stack) -> None:
    """In a namespace that is kept, without the rule that would keep it from coming up."""
    stack.gluetun.kill()
    stack.gluetun.namespace.ip("rule del table 51820")
    stack.gluetun.port_file.clear()
    stack.gluetun.start()


def lose_port(stack: Stack, *words: str) -> None:
    """Until Gluetun has noticed, nothing in here could be any better."""
    stack.gluetun(*words)
    wait_until(lambda: not stack.gluetun.ports(), 60, "the file to be emptied")


def silence(stack: Stack) -> None:
    lose_port(stack, "gateway", "silent")


def gateway_back(stack: Stack) -> None:
    stack.gluetun("gateway", "yes")


def cut(stack: Stack) -> None:
    lose_port(stack, "cut")


def restore(stack: Stack) -> None:
    stack.gluetun("restore")


def swap(stack: Stack) -> None:
    stack.gluetun("port", *sorted(free_port() for _ in stack.servers))


MASTER = {"version": "master", "its_env": {"VPN_PORT_FORWARDING_PORTS_COUNT": "3"}, "count": 3}
CASES: dict[str, tuple[Callable[[Stack], None], dict[str, Any]]] = {
    "renewal with another port": (renewal, {}),
    "renewal with another port, control server": (renewal, {"env": BY_CONTROL_SERVER}),
    "VPN reconnects, same port": (same_port, {}),
    "VPN reconnects, same port, control server": (same_port, {"env": BY_CONTROL_SERVER}),
    "VPN reconnects, another port": (other_port, {}),
    "VPN stopped and started": (stopped, {}),
    "Gluetun killed, and started in the kept namespace": (killed, {}),
    "three ports, three qBittorrents: renewal": (swap, MASTER),
    "three ports, three qBittorrents: VPN reconnects, same ports": (same_port, MASTER),
    "gateway silent, then back": (gateway_back, {"second": FAST}),
    "path cut, then restored": (restore, {"version": "master", "second": FAST}),
    "documented commands beside it": (other_port, {"commands": ("UP", "DOWN")}),
    "down-command beside it, QSTICKY_BIND_INTERFACE": (
        other_port,
        {"commands": ("DOWN",), "env": {"QSTICKY_BIND_INTERFACE": "true"}},
    ),
}
BEFORE: dict[Callable[[Stack], None], Callable[[Stack], None]] = {
    gateway_back: silence,
    restore: cut,
}


def scenarios(binary: Path, tmp: Path, plan: Plan) -> list[Result]:
    key, what = "dead_s", "beside Gluetun (stand-in): the port dead longer than need be"
    if os.geteuid() != 0:
        return [Result(key, what, None, "s", None, "needs root, for network namespaces")]
    dead: dict[str, list[float]] = {}
    cold_starts(binary, tmp, dead)
    for number, (name, (happens, options)) in enumerate(CASES.items()):
        # A minute allows no more than two rebinds, so each has a qsticky of its own.
        for again in range(max(1, plan.stops // 3)):
            with Stack(binary, tmp / f"{number}-{again}", **options).start() as stack:
                if happens in BEFORE:
                    BEFORE[happens](stack)
                with stack.recorded(dead.setdefault(name, [])):
                    happens(stack)
    return [
        Result(
            f"dead_{name.replace(' ', '_')}_s",
            f"port dead longer than need be: {name}",
            max(times),
            "s",
            None,
            f"worst of {len(times)}",
            samples={"dead": times},
        )
        for name, times in dead.items()
    ]
