#!/bin/sh
# Installs the Debian packages that are still missing, and says nothing if none is.
#
#   tests/setup.sh [GROUP...]       all of them by default:
#
#   build                           make
#   amd64 arm64 armhf armel i386    make ARCH=..., with build
#   dist demo picture bench figures soak test lint   the target of that name
#   coverage                        make coverage, with test
#   deb                             make deb, with build
#
# For Debian 12 and 13. No version is asked for here: where a test needs Debian 12's, it has a Debian 12
# of its own (tests/lib/versions.py), and docs/CONTRIBUTING.md says what else does.
set -eu

groups='build amd64 arm64 armhf armel i386 dist demo picture bench figures soak test lint coverage deb'

# For the machine's own architecture there is nothing to add.
cross() {
	[ "$1" = "$(dpkg --print-architecture)" ] || echo "gcc-$2" "linux-libc-dev-$1-cross"
}

# Debian's npm and Node.js would be in the way of those from elsewhere.
node_tools() {
	command -v npm >/dev/null || echo npm
}

packages() {
	case $1 in
	build) echo binutils gcc libc6-dev make musl-tools xz-utils ;;
	amd64) cross amd64 x86-64-linux-gnu ;;
	arm64) cross arm64 aarch64-linux-gnu ;;
	armhf) cross armhf arm-linux-gnueabihf ;;
	armel) cross armel arm-linux-gnueabi ;;
	i386) cross i386 i686-linux-gnu ;;
	dist) echo python3 ;;
	demo | soak) echo iproute2 python3 qbittorrent-nox ;;
	picture) echo iproute2 python3 python3-rich qbittorrent-nox ;;
	bench) echo curl iproute2 nginx-light openssl python3 qbittorrent-nox strace valgrind ;;
	figures) echo python3 python3-matplotlib ;;
	test)
		echo clang libclang-rt-dev libcmocka-dev llvm
		echo python3 python3-pytest python3-pytest-timeout python3-pytest-xdist
		echo ca-certificates dnsmasq-base git iproute2 nginx-light openssl prometheus qbittorrent-nox
		echo containerd docker.io iptables mmdebstrap qemu-user runc strace
		node_tools
		echo docker-registry podman skopeo
		echo mandoc python3-kubernetes python3-yaml systemd libc6-dbg valgrind
		echo build-essential debhelper lintian
		;;
	coverage) echo gcovr ;;
	deb) echo build-essential debhelper ;;
	lint)
		node_tools
		echo clang clang-format clang-tidy clang-tools cppcheck libcmocka-dev mandoc python3 python3-yaml
		echo shellcheck
		;;
	*)
		echo "tests/setup.sh: $1: no such group; there are $groups" >&2
		exit 2
		;;
	esac
}

is_installed() {
	[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $groups
missing=
for group; do
	list=$(packages "$group")
	for package in $list; do
		case " $missing " in *" $package "*) continue ;; esac
		is_installed "$package" || missing="$missing $package"
	done
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
	as_root=
elif sudo -n true 2>/dev/null; then
	as_root='sudo -n'
else
	echo "Packages are missing. Run this as root, then try again:" >&2
	echo "  apt-get update && apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

# The answer 101 means "do not start it" (invoke-rc.d(8)): nothing here needs a running service.
# A machine that already has its own policy keeps it.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$as_root rm -f $policy' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
	$as_root chmod 755 $policy
fi

# The lists may never have been fetched, or be too old. A repository that fails here matters only
# if the packages come from it, and then the next command says so.
$as_root apt-get -q update || true
# shellcheck disable=SC2086 # both are lists of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
	install --yes --no-install-recommends $missing

# Nor are those that came just now to start with the machine: the tests start their own.
command -v systemctl >/dev/null || exit 0
for package in $missing; do
	case $package in
	containerd | docker-registry | prometheus) units=$package.service ;;
	docker.io) units='docker.service docker.socket' ;;
	nginx-light) units=nginx.service ;;
	*) continue ;;
	esac
	# shellcheck disable=SC2086 # both are lists of words
	$as_root systemctl --quiet disable $units || true
done
