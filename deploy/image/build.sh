#!/bin/sh
# Builds the core image where no registry can be reached: by buildah without a daemon, on a Debian tree of debootstrap's.
# What follows is handed to buildah: another target, which gets a tag of its own, a proxy, or the authority of a network that
# signs anew: `--volume /path/own.pem:/run/own.pem:ro --volume /path/pip.conf:/etc/pip.conf:ro`, where pip.conf says
# `cert = /run/own.pem` below `[global]`. In the format of Docker: OCI's has no health check, and it would be dropped.
#
#   apt-get install buildah debootstrap
#   deploy/image/build.sh
set -eu
cd "$(dirname "$0")/../.."
base=localhost/debian-tree:bookworm
image=localhost/self-healing-workflows:0.1.0
tree=.local/image/tree

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    mkdir -p .local/image
    [ -e "$tree/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$tree"
    rm -rf "$tree"/var/cache/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/* "$tree"/usr/share/man/* \
        "$tree"/usr/share/locale/*
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$tree" /
    buildah commit --quiet --rm "$container" "$base"
    rm -rf "$tree"
fi
target=core
tagged=
before=
for word; do
    case $before in --target) target=$word ;; --tag | -t) tagged=yes ;; esac
    case $word in --target=*) target=${word#*=} ;; --tag=* | -t?*) tagged=yes ;; esac
    before=$word
done
[ "$target" = core ] || image=$image-$target
[ -n "$tagged" ] || set -- --tag "$image" "$@"
buildah bud --isolation chroot --format docker --pull-never --build-arg "DEBIAN=$base" --target core \
    --file deploy/image/Containerfile "$@" .
