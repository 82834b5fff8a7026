# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# The Debian packages that the project needs, and how the scripts install them. Sourced, not run.

llvm_packages=(llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools lld-22 liblld-22-dev clang-22)
build_packages=(
  "${llvm_packages[@]}"
  cmake ninja-build ccache pkg-config
  libzstd-dev zlib1g-dev # what LLD's CMake package asks for
  libjansson-dev libxxhash-dev libcli11-dev nlohmann-json3-dev
)
test_packages=(libclang-rt-22-dev libgtest-dev python3 python3-numpy)

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "error: root is needed to run '$*', and there is no sudo: run it as root, then start this script again" >&2
    return 1
  fi
}

explain_llvm() {
  cat >&2 <<'TEXT'
error: the package sources of this machine have no LLVM/MLIR 22. Debian 12 has it in its security updates (suite
bookworm-security); for older mirrors and other releases there is the LLVM project's own repository. To add that one:

  wget -qO- https://apt.llvm.org/llvm-snapshot.gpg.key | sudo tee /etc/apt/trusted.gpg.d/apt.llvm.org.asc >/dev/null
  echo "deb http://apt.llvm.org/bookworm/ llvm-toolchain-bookworm-22 main" | sudo tee /etc/apt/sources.list.d/llvm-22.list

Then start this script again.
TEXT
}

# install_packages PACKAGE..: installs those that are missing; does nothing, needs no root and no network if none is.
install_packages() {
  local package missing=() unknown=()
  if ! command -v apt-get >/dev/null; then
    echo "note: no apt-get here, so nothing is installed; the build needs what these Debian packages hold: $*" >&2
    return 0
  fi
  for package in "$@"; do
    case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" in
    *" installed") ;;
    *) missing+=("$package") ;;
    esac
  done
  if [ ${#missing[@]} = 0 ]; then
    return 0
  fi
  echo "Installing ${#missing[@]} packages: ${missing[*]}"
  as_root apt-get -qq update || return 1
  for package in "${missing[@]}"; do
    apt-cache show "$package" >/dev/null 2>&1 || unknown+=("$package")
  done
  case " ${unknown[*]-} " in
  "  ") ;;
  *-22-* | *-22\ *)
    explain_llvm
    return 1
    ;;
  *)
    echo "error: the package sources of this machine do not have: ${unknown[*]} (all are in Debian 12, main)" >&2
    return 1
    ;;
  esac
  local out=/dev/stdout quiet=()
  if [ ! -t 1 ]; then
    out=/dev/null quiet=(-qq)
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${quiet[@]}" install --no-install-recommends -y "${missing[@]}" >"$out"
}
