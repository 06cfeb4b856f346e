#!/usr/bin/env bash
# Make dashboard/static/lit.js anew from npm's packages; needs Node, which nothing else here does.
#   bash tools/vendor_lit.sh 3.3.3
set -euo pipefail
version=${1:?the version of lit, such as 3.3.3}
static=$(cd "$(dirname "$0")/../dashboard/static" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm init -y >/dev/null
npm install --silent "lit@$version" esbuild@0.25
cat > entry.js <<'ENTRY'
export { LitElement, html, nothing, svg } from "lit";
export { repeat } from "lit/directives/repeat.js";
ENTRY
npx esbuild entry.js --bundle --minify --format=esm --legal-comments=none --outfile=lit.bundle.js --log-level=error
{
  echo "/* lit $version, https://lit.dev - Copyright Google LLC, SPDX-License-Identifier: BSD-3-Clause; see lit.LICENSE. Made by tools/vendor_lit.sh. */"
  cat lit.bundle.js
} > "$static/lit.js"
cp node_modules/lit/LICENSE "$static/lit.LICENSE"
