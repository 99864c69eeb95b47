#!/bin/sh
# qBittorrent with libtorrent 2.0.8: it listens on a network device that is gone, and nobody connects.
#
# Expected: a VPN reconnects, that is, tun0 goes, and another tun0 with the same address comes.
# Either the old socket serves the address on, or libtorrent sees the change and opens another one.
# A socket in LISTEN at an address that is there again accepts connections to it.
#
# Really: the socket is bound to the number of the device, not to its name. It stays in LISTEN at
# its address and port in /proc/net/tcp, as before; each connection is refused. libtorrent takes the
# new device for the old one, since name and address are the same. The preferences name the port,
# transfer/info goes on saying "connected". Setting the same port again changes nothing; another
# port and back opens it.
#
# Needs: Linux, root, and Debian's mmdebstrap, iproute2 and python3; apt sources that have bookworm,
# or MIRROR=URL. It stays in networks of its own. About a minute and 250 MB below TMPDIR.
set -eu

packages=qbittorrent-nox=4.5.2-3+deb12u1,libtorrent-rasterbar2.0=2.0.8-1+b1

if [ "${1-}" != inside ]; then
	# shellcheck disable=SC2016 # apt's to expand
	MIRROR=${MIRROR:-$(apt-get indextargets --format='$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1)}
	work=$(mktemp -d)
	trap 'rm -rf --one-file-system "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	chmod 755 "$work"
	mkdir "$work/root"
	mmdebstrap --quiet --variant=apt --include="$packages" bookworm "$work/root" "$MIRROR"
	# What is started in there ends with it.
	unshare --mount --net --pid --fork --kill-child --mount-proc "$0" inside "$work/root"
	exit
fi

root=$2
ip link set lo up
# The far end of the tunnel is a network of its own.
unshare --net sleep 600 &
far=$!
until [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.1; done
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root/profile/qBittorrent/config"
cat >"$root/profile/qBittorrent/config/qBittorrent.conf" <<'CONF'
[BitTorrent]
Session\DHTEnabled=false
Session\Interface=tun0
Session\InterfaceName=tun0
Session\LSDEnabled=false
Session\Port=41000
[LegalNotice]
Accepted=true
[Network]
PortForwardingEnabled=false
[Preferences]
WebUI\Address=127.0.0.1
WebUI\LocalHostAuth=false
WebUI\Port=8080
CONF
chroot "$root" dpkg-query --show qbittorrent-nox libtorrent-rasterbar2.0
HOME=/profile LANG=C.UTF-8 chroot "$root" qbittorrent-nox --profile=/profile \
	</dev/null >"$root/profile/output" 2>&1 &

python3 - "$far" <<'PYTHON'
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

FAR = sys.argv[1]
ADDRESS = "10.2.0.2"
PORT = 41000


def ip(*commands):
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


def add_tunnel():
    """The link comes up, then it gets its address."""
    ip(f"link add tun0 type veth peer name far0 netns {FAR}")
    far = f"nsenter --net=/proc/{FAR}/ns/net ip"
    for command in ("addr add 10.2.0.1/24 dev far0", "link set far0 up"):
        subprocess.run([*far.split(), *command.split()], check=True)
    ip("link set tun0 up")
    time.sleep(0.3)
    ip(f"addr add {ADDRESS}/24 dev tun0")


def api(path, form=None):
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(f"http://127.0.0.1:8080/api/v2/{path}", data, timeout=10) as answer:
        return answer.status, answer.read().decode()


def set_port(port):
    status, _ = api("app/setPreferences", {"json": json.dumps({"listen_port": port})})
    assert status == 200, status


def listens():
    """Whether the kernel's table has a socket in LISTEN (0A) at the address and port."""
    octets = "".join(f"{int(octet):02X}" for octet in reversed(ADDRESS.split(".")))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1] == f"{octets}:{PORT:04X}" and row[3] == "0A" for row in rows)


CONNECT = f"""
import socket
try:
    socket.create_connection(("{ADDRESS}", {PORT}), timeout=3).close()
    print("accepted")
except ConnectionRefusedError:
    print("refused")
"""


def far_end():
    """What somebody at the far end gets who connects."""
    command = ["nsenter", f"--net=/proc/{FAR}/ns/net", "python3", "-c", CONNECT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def show(what, expected):
    preferences = json.loads(api("app/preferences")[1])
    status = json.loads(api("transfer/info")[1])["connection_status"]
    seen = far_end()
    print(
        f"{what}: LISTEN at {ADDRESS}:{PORT}: {'yes' if listens() else 'no'}; a connection is {seen};"
        f" the preferences name {preferences['listen_port']}; {status}",
        flush=True,
    )
    assert listens() and preferences["listen_port"] == PORT, "not what was found"
    # Nobody has connected to the first socket and the last one when this is asked.
    status_expected = "firewalled" if expected == "accepted" else "connected"
    assert (seen, status) == (expected, status_expected), "not what was found"


for _ in range(300):
    try:
        print("version:", api("app/version")[1])
        break
    except OSError:
        time.sleep(0.1)

add_tunnel()
time.sleep(5)
show("tun0 is there", "accepted")
ip("link delete tun0")
time.sleep(1.5)
add_tunnel()
for _ in range(4):
    time.sleep(5)
    show("tun0 was made again", "refused")
set_port(PORT)
time.sleep(5)
show(f"{PORT} set again", "refused")
set_port(PORT + 1)
set_port(PORT)
time.sleep(2)
show(f"{PORT} after {PORT + 1}", "accepted")
PYTHON
