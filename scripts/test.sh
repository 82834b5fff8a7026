#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs what is missing (Debian 12), builds everything and runs every test. The last line is
#   N passed, N failed, N skipped
# Options: --full, --only SUITE, --build-dir DIR, --list; scripts/test.sh --help says more.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

# The first of these that has numpy; else a virtual environment with it.
find_python() {
  local python
  for python in "${RWKV_PYTHON-}" python3 /usr/bin/python3 "$PWD/build/venv/bin/python3"; do
    if [ -n "$python" ] && "$python" -c 'import numpy' 2>/dev/null; then
      "$python" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  mkdir -p build
  python3 -m venv build/venv && build/venv/bin/pip install --quiet numpy && echo "$PWD/build/venv/bin/python3"
}

failed() { # still close with the line that counts
  echo "error: $1" >&2
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
}

case " $* " in
*" --help "* | *" -h "* | *" --list "*) ;;
*) install_packages "${build_packages[@]}" "${test_packages[@]}" || failed "the packages could not be installed" ;;
esac
python=$(find_python) || failed "no python3 with numpy (Debian: python3-numpy)"
exec "$python" scripts/run_tests.py "$@"
