#!/bin/sh
# Fetch the upstream source of a Debian package and unpack it, Debian's patches applied.
#   fetch-source.sh PACKAGE SHA256 DEST
# The package comes by apt-get from the machine's own configured sources, with deb-src in the place of deb, in an
# apt state of its own under build/apt: nothing outside the build directory changes, and no root is needed.
# SHA256 is that of the upstream tarball.  A tarball already in build/apt/source is not fetched again.
set -eu

package=$1 sha256=$2 dest=$3
apt=$PWD/build/apt
mkdir -p "$apt/sources.list.d" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/source"
# Several packages are fetched at once by a parallel make; apt's state is for one at a time.
exec 9>"$apt/lock"
flock 9

have_tarball() {
    for t in "$apt/source/${package}"_*.orig.tar.*; do
        [ -f "$t" ] && [ "$(sha256sum <"$t" | cut -d' ' -f1)" = "$sha256" ] && tarball=$t && return 0
    done
    return 1
}

download() {
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -f "$f" ] && sed -n 's/^deb /deb-src /p' "$f" >"$apt/sources.list.d/$(basename "$f" .list).list"
    done
    for f in /etc/apt/sources.list.d/*.sources; do
        [ -f "$f" ] && sed 's/^Types:.*/Types: deb-src/' "$f" >"$apt/sources.list.d/$(basename "$f")"
    done
    cat >"$apt/apt.conf" <<EOF
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "$apt/sources.list.d";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
Acquire::Retries "2";
Acquire::http::Timeout "30";
EOF
    export APT_CONFIG="$apt/apt.conf"
    # A configured source without source packages fails here; whether that matters shows below.
    apt-get -q update >"$apt/update.log" 2>&1 || true
    (cd "$apt/source" && apt-get -q source --download-only "$package") >"$apt/source.log" 2>&1 || {
        cat "$apt/update.log" "$apt/source.log" >&2
        echo "fetch-source: apt-get cannot fetch the source of $package" >&2
        exit 1
    }
}

have_tarball || download
have_tarball || {
    echo "fetch-source: the upstream tarball of $package is not the one expected (sha256 $sha256)" >&2
    exit 1
}

rm -rf "$dest.part"
mkdir -p "$dest.part"
tar -xf "$tarball" -C "$dest.part" --strip-components=1
debian=${tarball%.orig.tar.*}
for d in "$debian"-*.debian.tar.*; do
    [ -f "$d" ] || continue
    tar -xf "$d" -C "$dest.part"
    series=$dest.part/debian/patches/series
    [ -f "$series" ] || continue
    sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$series" | while read -r p; do
        patch -s -d "$dest.part" -p1 <"$dest.part/debian/patches/$p"
    done
done
rm -rf "$dest"
mv "$dest.part" "$dest"
