"""Plays Gluetun in a container: owns the network namespace, has a tunnel device, writes the
forwarded port as Gluetun does from 3.40.1 on, and serves its health where Gluetun does.

    run            what the image runs
    healthcheck    exit 0 while healthy
    port [N]       prints the forwarded port; N, or 0 for none: another one is forwarded now
    reconnect [N]  the VPN restarts inside: port cleared, device deleted and made anew, port written
    probe          whether a peer out there would be let in: open or closed
"""

from __future__ import annotations

import fcntl
import http.client
import http.server
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

PORT_FILE = os.environ.get("VPN_PORT_FORWARDING_STATUS_FILE", "/tmp/gluetun/forwarded_port")
HEALTH = ("127.0.0.1", 9999)
DEVICE, ADDRESS = "tun0", "10.2.0.2"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


class Gluetun:
    def __init__(self) -> None:
        self.tunnel = -1
        self.port = 0
        self.health = "did not run yet"

    def up(self, port: int = 0) -> None:
        """In Gluetun's order: device, address, link, healthy, and the port last."""
        assert self.tunnel < 0
        self.tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        request = struct.pack("16sH22x", DEVICE.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(self.tunnel, TUNSETIFF, request)
        subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", DEVICE], check=True)
        subprocess.run(["ip", "link", "set", DEVICE, "up"], check=True)
        self.health = ""
        if os.environ.get("VPN_PORT_FORWARDING") == "on":
            # Most providers give another one each time. Chance may give the same, the clock does not.
            self.forward(port or 33000 + int(time.monotonic() * 10) % 27000)

    def down(self) -> None:
        """The port goes first. The device goes with its only descriptor."""
        self.health = "the VPN is down"
        self.forward(0)
        os.close(self.tunnel)
        self.tunnel = -1

    def forward(self, port: int) -> None:
        """Truncated and written in place, and no newline after the number."""
        self.port = port
        fd = os.open(PORT_FILE, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o644)
        if port:
            os.write(fd, str(port).encode())
        os.close(fd)
        os.chown(PORT_FILE, int(os.environ.get("PUID", "0")), int(os.environ.get("PGID", "0")))


def handler_of(gluetun: Gluetun) -> type[http.server.BaseHTTPRequestHandler]:
    one_at_a_time = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the real one's only answer
            self.answer(500 if gluetun.health else 200, gluetun.health)

        def do_POST(self) -> None:  # for the commands of this stand-in
            what, _, port = self.path.strip("/").partition("/")
            with one_at_a_time:
                if what == "reconnect":
                    gluetun.down()
                    time.sleep(1.5)  # a tunnel takes its time; the sockets there are dead by then
                    gluetun.up(int(port or 0))
                elif port:
                    gluetun.forward(int(port))
            self.answer(200, str(gluetun.port))

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def run() -> int:
    os.makedirs(os.path.dirname(PORT_FILE), mode=0o644, exist_ok=True)  # its mode, too
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    gluetun = Gluetun()
    server = http.server.ThreadingHTTPServer(HEALTH, handler_of(gluetun))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    gluetun.up()
    signal.sigwait([signal.SIGTERM, signal.SIGINT])
    gluetun.down()
    return 0


def ask(method: str, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(*HEALTH, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def healthcheck() -> int:
    status, text = ask("GET", "/")
    print(text)
    return 0 if status == 200 else 1


def probe() -> int:
    """To the tunnel's own address: let in just when a packet from outside would be."""
    with open(PORT_FILE, encoding="ascii") as file:
        port = file.read()
    try:
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
