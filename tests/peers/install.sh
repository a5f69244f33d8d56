#!/bin/sh
# Installs the system programs that tests talk to: as root on Debian; elsewhere it names the missing ones.
set -eu
packages=$("${1:-python3}" -m tests.peers.programs)
[ -n "$packages" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing for the tests:" $packages
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # Services stay off: the tests start their own, on free ports.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get install -y -qq --no-install-recommends $packages >/dev/null
else
  echo "These are missing, and the tests that need them are skipped (with CI=true they fail); Debian's names:" $packages
fi
