#!/bin/sh
# qBittorrent 5.1 with libtorrent 2.0.11: an address that comes before its link is up is never heard.
#
# Expected: it listens at every address of the machine, those that come later included. An address
# that is added while its link is down still counts as soon as the link is up: "ip address add",
# "ip link set up" is as good as the other way round. Many programs that make a tunnel do it so.
#
# Really: libtorrent hears of addresses only, not of links, and passes over those whose link is
# down. When the link comes up nobody tells it, and nothing listens at that address, however long
# one waits. (With IPv6 on, the link-local address that comes with the link is what saves it.)
# setPreferences with the same port changes nothing; another port and back opens it. With the link
# up first, it listens at once.
#
# Needs: Linux, root, and Debian's mmdebstrap, iproute2 and python3; apt sources that have trixie,
# or MIRROR=URL. It stays in networks of its own. About a minute and 300 MB below TMPDIR.
set -eu

packages=qbittorrent-nox=5.1.0-2,libtorrent-rasterbar2.0t64=2.0.11-1

if [ "${1-}" != inside ]; then
	# shellcheck disable=SC2016 # apt's to expand
	MIRROR=${MIRROR:-$(apt-get indextargets --format='$(REPO_URI)' 'Created-By: Packages' \
		'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1)}
	work=$(mktemp -d)
	trap 'rm -rf --one-file-system "$work"' EXIT
	trap 'exit 1' HUP INT TERM
	chmod 755 "$work"
	mkdir "$work/root"
	mmdebstrap --quiet --variant=apt --include="$packages" trixie "$work/root" "$MIRROR"
	# What is started in there ends with it.
	unshare --mount --net --pid --fork --kill-child --mount-proc "$0" inside "$work/root"
	exit
fi

root=$2
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
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
chroot "$root" dpkg-query --show qbittorrent-nox libtorrent-rasterbar2.0t64
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


def add_tunnel(*steps):
    ip(f"link add tun0 type veth peer name far0 netns {FAR}")
    far = f"nsenter --net=/proc/{FAR}/ns/net ip"
    for command in ("addr add 10.2.0.1/24 dev far0", "link set far0 up"):
        subprocess.run([*far.split(), *command.split()], check=True)
    for step in steps:
        ip(step)
        time.sleep(0.5)


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
    named = json.loads(api("app/preferences")[1])["listen_port"]
    seen = far_end()
    print(
        f"{what}: LISTEN at {ADDRESS}:{PORT}: {'yes' if listens() else 'no'}; a connection is {seen};"
        f" the preferences name {named}",
        flush=True,
    )
    assert named == PORT and listens() == (seen == "accepted"), "not what was found"
    assert seen == expected, "not what was found"


for _ in range(300):
    try:
        print("version:", api("app/version")[1])
        break
    except OSError:
        time.sleep(0.1)

LINK = "link set tun0 up"
GETS_ADDRESS = f"addr add {ADDRESS}/24 dev tun0"

add_tunnel(LINK, GETS_ADDRESS)
time.sleep(2)
show("first the link, then the address", "accepted")
ip("link delete tun0")
time.sleep(2)
add_tunnel(GETS_ADDRESS, LINK)
for _ in range(4):
    time.sleep(5)
    show("first the address, then the link", "refused")
set_port(PORT)
time.sleep(5)
show(f"{PORT} set again", "refused")
set_port(PORT + 1)
set_port(PORT)
time.sleep(2)
show(f"{PORT} after {PORT + 1}", "accepted")
PYTHON
