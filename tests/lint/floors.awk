# Holds every #include against tests/lint/floors; a foreign header that is not listed is refused.
FNR == 1 { here = FILENAME; sub(/\/.*/, "", here) }
FILENAME ~ /floors$/ {
	if (/^#/ || !NF) next
	key = $1; sub(/:$/, "", key); known[key] = 1
	for (i = 2; i <= NF; i++) may[key, $i] = 1
	next
}
{ sub(/^[ \t]*#[ \t]*include[ \t]*/, "#include ") }
/^#include "/ {
	split($2, p, "[\"/]")
	if (p[2] in known && p[2] != here && !((here, p[2]) in may)) bad(p[2] "/")
}
/^#include </ {
	if (!(($2, FILENAME) in may) && !(($2, here "/*") in may) && !(($2, "*") in may)) bad($2)
}
function bad(what) { printf "%s:%d: %s/ may not include %s\n", FILENAME, FNR, here, what; n++ }
END { exit n > 0 }
