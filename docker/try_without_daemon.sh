#!/bin/bash
# Executes docker/cpu.Dockerfile where there is no Docker daemon: in a debootstrap root, each ENV, WORKDIR, COPY, RUN and
# USER in its order, then the entrypoint, the health check and a small run. Needs root and debootstrap.
# Other than the image: Debian's own Python 3.11 instead of the one in /usr/local, and this machine's network settings.
set -euo pipefail
cd "$(dirname "$0")/.."
dockerfile=docker/cpu.Dockerfile
root=$(mktemp -d) && chmod 755 "$root"
trap 'umount -l "$root"/{proc,dev,opt} 2>/dev/null || true; rm -rf "$root"' EXIT

debootstrap --variant=minbase --include=python3.11,python3-pip,python3.11-venv,ca-certificates bookworm "$root" >"$root.log" 2>&1
ln -s python3.11 "$root/usr/bin/python"
rm -f "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED # the image's own Python has no such mark
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/opt"
mount --rbind /opt "$root/opt" # package mirrors of this machine, if it has any
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /etc/xdg /etc/ssl /etc/apt/sources.list.d /etc/apt/apt.conf.d; do
  if [ -e "$file" ]; then rm -rf "${root:?}$file" && mkdir -p "$root$(dirname "$file")" && cp -rLT "$file" "$root$file"; fi
done

environment=(HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin)
while IFS= read -r line; do environment+=("$line"); done < <(env | grep -E '^(PIP_|UV_|SSL_|http|HTTP|no_proxy|NO_PROXY)' || true)
directory=/
user=0:0
inside() { chroot --userspec="$user" "$root" env -i "${environment[@]}" /bin/sh -c "cd $directory && $1"; }

# Continued lines become one; comments go.
sed -e '/^#/d' -e ':a' -e '/\\$/{N;s/\\\n */ /;ba' -e '}' "$dockerfile" | while IFS= read -r line; do
  rest=${line#* }
  case "$line" in
    ENV*) for pair in $rest; do environment+=("$pair"); done ;;
    WORKDIR*) directory=$rest && mkdir -p "$root$rest" ;;
    COPY*)
      read -ra words <<<"$rest"
      target=${words[-1]}
      for source in "${words[@]:0:${#words[@]}-1}"; do
        if [ -d "$source" ]; then mkdir -p "$root$directory/$target" && cp -rT "$source" "$root$directory/$target"
        else install -D -m 644 "$source" "$root$directory/$target$([ "${target: -1}" = / ] && basename "$source")"; fi
      done ;;
    RUN*) echo "RUN $rest" && time inside "$rest" ;;
    USER*) user=$rest ;;
  esac
  declare -p environment directory user >"$root.state"
done
# shellcheck disable=SC1091
source "$root.state"
environment+=(HOME=/home/deepvideo)
echo "as $user: deepvideo --help"
inside "deepvideo --help" >/dev/null
health=$(sed -n 's/^HEALTHCHECK.*CMD \[\(.*\)\]/\1/p' "$dockerfile" | tr -d '",')
echo "health check: $health" && inside "$health" >/dev/null
inside "deepvideo run tiny --run-dir /runs/small --set engine.type=deterministic --set rounds=1 --set data.num_train=8 \
  --set data.num_validation=4 --set select.samples_per_round=8 --set rollout.group_size=4 --set train.groups_per_batch=3"
echo "every RUN line, the entrypoint, the health check and a run: done"
