#!/bin/sh
# Prepare a Debian or Ubuntu machine: missing system packages by apt, Python packages in .venv.
# Usage: tools/setup.sh BOARD EXTRAS      BOARD: a board's name, or "all"; EXTRAS: as in pyproject
set -eu
cd "$(dirname "$0")/.."
board=$1
extras=$2

say() { printf 'setup: %s\n' "$1" >&2; }
die() {
  say "$1"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

packages=
need() { have "$1" || packages="$packages $2"; }

have python3.11 || packages="$packages python3.11"
python3.11 -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3.11-venv"
need gcc "gcc libc6-dev"
arm() {
  need arm-none-eabi-gcc "gcc-arm-none-eabi libnewlib-arm-none-eabi"
  need qemu-system-arm qemu-system-arm
}
riscv() {
  need riscv64-unknown-elf-gcc "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
  need qemu-system-riscv32 qemu-system-misc
}
case $board in
host | host-*) ;;
all)
  arm
  riscv
  ;;
esp32-* | qemu-riscv-* | qemu-sifive-*) riscv ;;
*) arm ;;
esac
if [ "$board" = all ]; then
  need clang clang
  need cmake cmake
  need make make
  need openocd openocd
  need st-flash stlink-tools
fi

if [ -n "$packages" ]; then
  have apt-get || die "missing$packages, and this is no Debian or Ubuntu; install them by hand"
  as_root=
  if [ "$(id -u)" -ne 0 ]; then
    have sudo || die "missing$packages; run as root: apt-get install$packages"
    as_root=sudo
  fi
  say "installing$packages"
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list of packages
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $packages >/dev/null || die "apt-get could not install$packages"
fi

[ -x .venv/bin/python ] || python3.11 -m venv .venv
stamp=.venv/edgesdk-$extras.stamp
if ! [ "$stamp" -nt pyproject.toml ]; then
  say "installing Python packages for $extras in .venv"
  .venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".[$extras]"
  touch "$stamp"
fi
