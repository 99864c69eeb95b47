#!/bin/sh
# qBittorrent with libtorrent 2.0: one busy socket closes the port for TCP and for UDP, for good.
#
# Expected: the listening port is two sockets, one for TCP and one for UDP. If another program has
# only the UDP port, TCP listens all the same. If the port cannot be had, setPreferences or the port
# in the preferences says so. When the other program has ended, qBittorrent takes the port.
#
# Really: libtorrent opens the two as a pair and gives up both if either is taken, TCP by UDP and
# UDP by TCP. The source port of an outgoing connection is enough, and that is no listener at all:
# the kernel takes such ports from 32768 to 60999, where VPN providers forward theirs, too.
# setPreferences answers 200, and the preferences name the port. When the port is free again,
# nothing happens, nor when the same port is set again. Another port and back opens it.
#
# Needs: Linux, root, and Debian's mmdebstrap, iproute2 and python3; apt sources that have bookworm,
# or MIRROR=URL. It stays in a network of its own. About a minute and 250 MB below TMPDIR.
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
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mkdir -p "$root/profile/qBittorrent/config"
cat >"$root/profile/qBittorrent/config/qBittorrent.conf" <<'CONF'
[BitTorrent]
Session\DHTEnabled=false
Session\InterfaceAddress=127.0.0.1
Session\LSDEnabled=false
Session\Port=40999
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

python3 - <<'PYTHON'
import json
import socket
import struct
import time
import urllib.parse
import urllib.request

HOST = "127.0.0.1"


def api(path, form=None):
    data = urllib.parse.urlencode(form).encode() if form else None
    with urllib.request.urlopen(f"http://{HOST}:8080/api/v2/{path}", data, timeout=10) as answer:
        return answer.status, answer.read().decode()


def set_port(port):
    status, _ = api("app/setPreferences", {"json": json.dumps({"listen_port": port})})
    assert status == 200, status


def state(port):
    """What listens at the port, and the port that qBittorrent names."""
    with socket.socket() as tcp:
        tcp_open = tcp.connect_ex((HOST, port)) == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(0.5)
        udp.connect((HOST, port))
        udp.send(b"?")
        try:
            udp.recv(1)
            udp_open = True
        except ConnectionRefusedError:
            udp_open = False
        except TimeoutError:
            udp_open = True  # somebody has it, and has nothing to say
    named = json.loads(api("app/preferences")[1])["listen_port"]
    return {"tcp": tcp_open, "udp": udp_open, "named": named}


def show(what, port, **expected):
    seen = state(port)
    words = (f"{kind} {'open' if seen[kind] else 'closed'}" for kind in ("tcp", "udp"))
    print(f"{what}: {', '.join(words)}; the preferences name {seen['named']}", flush=True)
    assert seen == expected | {"named": port}, "not what was found"


for _ in range(300):
    try:
        print("version:", api("app/version")[1])
        break
    except OSError:
        time.sleep(0.1)

BOTH = {"tcp": True, "udp": True}
NEITHER = {"tcp": False, "udp": False}


def found(port, holder, **while_held):
    """With the port held by `holder`, and after."""
    set_port(port)
    time.sleep(2)
    show(f"{port} while that holds it", port, **while_held)
    holder.close()
    time.sleep(10)
    show(f"{port} free for 10 s", port, **NEITHER)
    set_port(port)
    time.sleep(5)
    show(f"{port} set again", port, **NEITHER)
    set_port(port + 1)
    set_port(port)
    time.sleep(1)
    show(f"{port} after {port + 1}", port, **BOTH)


set_port(41000)
time.sleep(1)
show("41000, which nobody else has", 41000, **BOTH)

print("42000: another program has its UDP port, and nobody its TCP port")
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((HOST, 42000))
found(42000, udp, tcp=False, udp=True)

print("43000: another program connects to somebody from it")
server = socket.create_server((HOST, 5000))
outgoing = socket.create_connection((HOST, 5000), source_address=(HOST, 43000))
# It ends by a reset: no TIME_WAIT has the port after that.
outgoing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
found(43000, outgoing, **NEITHER)
PYTHON
