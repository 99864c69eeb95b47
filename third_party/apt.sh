# For the scripts beside this one, which read it.
# shellcheck shell=sh

# Makes an apt of its own in $1, used by `apt-get -c $1/apt.conf`, so that the machine's lists and
# configuration stay as they are. It sees the repositories that the machine sees, as $2 says: deb-src
# for source packages, which Debian's images do not configure; deb for packages, and then those of
# the architecture $3.
make_view() {
	view=$1 kind=$2
	mkdir -p "$view/state/lists/partial" "$view/cache/archives/partial" "$view/parts"
	list='' parts=''
	eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"

	# Lines and stanzas that are there for both kinds would come out twice, which apt tolerates.
	for file in "$list" "$parts"*.list; do
		[ -f "$file" ] || continue
		sed -nE "s/^[[:blank:]]*deb(-src)?[[:blank:]]+/$kind /p" "$file"
	done | sort -u >"$view/parts/lines.list"
	for file in "$parts"*.sources; do
		[ -f "$file" ] || continue
		awk -v kind="$kind" 'tolower($0) ~ /^types[ \t]*:/ { print "Types: " kind; in_types = 1; next }
			in_types && /^[ \t]/ { next }
			{ in_types = 0; print }' "$file" >"$view/parts/${file##*/}"
	done

	# The hooks are for the machine's own lists: PackageKit's, docker-clean's. The sandbox user
	# cannot enter a build directory that is closed to others, and need not: what comes is verified.
	cat >"$view/apt.conf" <<-END
		Dir::State "$view/state/";
		Dir::Cache "$view/cache/";
		Dir::Etc::sourcelist "/dev/null";
		Dir::Etc::sourceparts "$view/parts/";
		APT::Sandbox::User "root";
		Acquire::Retries "3";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
	[ "$kind" = deb ] || return 0
	cat >>"$view/apt.conf" <<-END
		Dir::State::status "/dev/null";
		Acquire::Languages "none";
		#clear APT::Architectures;
		APT::Architecture "$3";
		APT::Architectures { "$3"; };
	END
}
