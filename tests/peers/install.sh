#!/bin/sh
# Installs the programs that tests talk to: those of the system as root on Debian, elsewhere it names the missing ones;
# those of npm into .node.
set -eu
packages=$("${1:-python3}" -m tests.peers.programs)
if [ -z "$packages" ]; then
  :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
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
if command -v npm >/dev/null && ! cmp -s tests/peers/node/package-lock.json .node/package-lock.json; then
  echo "Installing for the tests, from npm, into .node …"
  mkdir -p .node
  rm -f .node/package-lock.json
  cp tests/peers/node/package.json .node/
  # The lock file is put in its place last: it says that the rest is there. Scripts of packages are not run.
  cp tests/peers/node/package-lock.json .node/npm-shrinkwrap.json
  (cd .node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null)
  mv .node/npm-shrinkwrap.json .node/package-lock.json
fi
