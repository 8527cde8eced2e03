#!/usr/bin/env bash
# Build both images with podman and run them as in production, on a Debian or Ubuntu machine that
# has nothing of it yet. Called by `make test-container`, from the checkout's root, as root.
set -euo pipefail

base=localhost/shard-test-base
default=localhost/shard-test:default
lean=localhost/shard-test:lean
work=$PWD/build/container
python=.venv/bin/python

say() { printf 'test-container: %s\n' "$*" >&2; }

install_podman() {
  local needed=(podman runc mmdebstrap debian-archive-keyring ca-certificates) program missing=
  for program in podman runc mmdebstrap; do
    command -v "$program" >/dev/null || missing+=" $program"
  done
  if [ -z "$missing" ]; then return; fi
  say "installing ${needed[*]}"
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
         apt-get install -qq --yes --no-install-recommends "${needed[@]}"; } >"$work/apt.log" 2>&1
  then
    tail -n 5 "$work/apt.log" >&2
    say "cannot install ${needed[*]} (above is what apt-get says; it needs root on Debian or Ubuntu)"
    exit 1
  fi
}

# Runs without systemd, without user namespaces and inside another container too.
configure() {
  export CONTAINERS_CONF=$work/containers.conf
  cat >"$CONTAINERS_CONF" <<'CONF'
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]
CONF
  # An overlay cannot lie on another: in a container without a volume, each image is copied whole.
  local place=/var/lib/containers
  if [ ! -e "$place" ]; then place=/var/lib; fi
  if [ "$(stat -f -c %T "$place")" = overlayfs ]; then
    export CONTAINERS_STORAGE_CONF=$work/storage.conf
    printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' \
      "$work/images" "$work/running" >"$CONTAINERS_STORAGE_CONF"
  fi
}

# A stand-in for python:3.12-slim that needs no image registry.
make_base() {
  say 'making the base image from Debian packages'
  mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm - \
    | podman import --quiet - "$base" >/dev/null
}

build() {
  local image=$1 extras=$2 flags=$3
  say "building $image"
  make --no-print-directory image ENGINE=podman IMAGE="$image" BASE_IMAGE="$base" \
    EXTRAS="$extras" BUILD_FLAGS="$flags" >"$work/build.log" 2>&1 \
    || { tail -n 20 "$work/build.log" >&2; say "cannot build $image"; exit 1; }
}

remove() {
  podman rmi --force "$default" "$lean" "$base" >/dev/null 2>&1 || true
  rm -rf "$work"
}

mkdir -p "$work"
trap remove EXIT
install_podman
configure
make_base
flags="--quiet --layers=false --network host $("$python" tests/container/pip_settings.py "$work/pip.conf")"
build "$default" all "$flags"
build "$lean" '' "$flags"
export SHARD_TEST_IMAGE=$default SHARD_TEST_LEAN_IMAGE=$lean SHARD_TEST_BASE_IMAGE=$base
"$python" -m pytest -q -p no:xdist tests/container
