# A buffer that is freed on each way out must be initialised before the first of them: between
# `CLEANUP(buf_done) struct buf NAME;` and the first `&NAME` stands no return.
function forget_all(  n) { for (n in waits) delete waits[n] }
FNR == 1 { forget_all() }
/^}/ { forget_all(); next }
{
	for (n in waits)
		if ($0 ~ "&" n "([^a-zA-Z0-9_]|$)")
			delete waits[n]
	if ($0 ~ /(^|[^a-zA-Z0-9_])return([^a-zA-Z0-9_]|$)/)
		for (n in waits) {
			printf "%s:%d: %s is freed here and was not initialised\n", FILENAME, FNR, n
			found = 1
		}
}
/CLEANUP\(buf_done\) struct buf / {
	text = $0
	sub(/.*CLEANUP\(buf_done\) struct buf /, "", text)
	sub(/;.*/, "", text)
	count = split(text, names, /, */)
	for (i = 1; i <= count; i++)
		if (names[i] ~ /^[a-zA-Z0-9_]+$/)
			waits[names[i]] = 1
}
END { exit found }
