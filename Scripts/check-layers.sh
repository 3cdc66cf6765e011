#!/bin/sh
# Compares the `import` lines of Sources/ with the table in Package.swift.
#
# Fails when a module imports what its row does not name, when a row names a module of the same or a
# higher layer, when a library imports Foundation, or when anything but CommandSupport prints or exits.
set -eu
cd "$(dirname "$0")/.."

awk '
  # The table: Module("Name", layer: N, imports: ["A", "B"]) and "cl-x": ["A", "B"], over any lines.
  { text = text " " $0 }
  END {
    while (match(text, /Module\( *"[A-Za-z]+", layer: [0-9]+(, *imports: \[[^]]*\])? *\)/)) {
      row = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
      match(row, /"[A-Za-z]+"/); name = substr(row, RSTART + 1, RLENGTH - 2)
      match(row, /layer: [0-9]+/); layer = substr(row, RSTART + 7, RLENGTH - 7)
      list = ""; if (match(row, /\[.*\]/)) list = substr(row, RSTART + 1, RLENGTH - 2)
      gsub(/[",]/, " ", list)
      print "module", name, layer, list
    }
    while (match(text, /"cl-[a-z]+": \[[^]]*\]/)) {
      row = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
      match(row, /"cl-[a-z]+"/); name = substr(row, RSTART + 1, RLENGTH - 2)
      match(row, /\[.*\]/); list = substr(row, RSTART + 1, RLENGTH - 2)
      gsub(/[",]/, " ", list)
      print "tool", name, 99, list
    }
  }' Package.swift > "${TMPDIR:-/tmp}/layers.$$"
trap 'rm -f "${TMPDIR:-/tmp}/layers.$$"' EXIT

grep -rnE '^(package |internal |public |private |fileprivate )?import ' Sources --include='*.swift' |
  awk -v table="${TMPDIR:-/tmp}/layers.$$" '
  BEGIN {
    while ((getline line < table) > 0) {
      n = split(line, part, " "); layer[part[2]] = part[3]; kind[part[2]] = part[1]; rows++
      for (i = 4; i <= n; i++) { allowed[part[2], part[i]] = 1; names[part[2]] = names[part[2]] " " part[i] }
    }
    if (rows < 10) { print "check-layers: the table in Package.swift was not understood"; exit 1 }
    for (m in names) {
      n = split(names[m], part, " ")
      for (i = 1; i <= n; i++)
        if (part[i] in layer && layer[part[i]] + 0 >= layer[m] + 0) {
          print "Package.swift: " m " (layer " layer[m] ") may not import " part[i] " (layer " layer[part[i]] ")"; bad = 1
        }
    }
  }
  {
    split($0, at, ":"); path = at[1]; line = at[2]
    n = split(path, folder, "/"); owner = (folder[2] == "Shared") ? folder[3] : folder[2]
    imported = $0; sub(/^.*import +((struct|class|enum|func|var|let|protocol) +)?/, "", imported); sub(/[ .;].*/, "", imported)
    checked++
    if (imported == "Glibc" || imported == "Synchronization" || imported == "Dispatch") next
    if (!((owner, imported) in allowed)) {
      print path ":" line ": " owner " may not import " imported; bad = 1
    }
  }
  END { if (checked == 0) { print "check-layers: no imports were found"; bad = 1 } exit bad }'

if grep -rnE '(^|[^A-Za-z_.])(print|exit|fatalError)\(' Sources/Shared --include='*.swift' |
  grep -vE '^Sources/Shared/CommandSupport/|^[^:]*:[0-9]+: *//'; then
  echo "check-layers: only CommandSupport prints or exits" >&2
  exit 1
fi
echo "layers: ok"
