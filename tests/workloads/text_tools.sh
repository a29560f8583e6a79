#: shows: the usual text tools: sed in place, awk, grep, cut, join, diff, patch
#: needs: patch
#: setup: seq 1000 > a; seq 500 1500 > b
sed -i 's/^5/five-/' a
grep -c five a
awk 'BEGIN {while (("seq 3" | getline line) > 0) print "from a pipe", line}'
join <(sort a) <(sort b) | cut -c1-3 | uniq | wc -l
diff a b > a.patch; echo "diff: $?"
patch -s a a.patch && cmp a b && echo patched
paste -d: a b | split -l 400 - part. && cat part.* | wc -l
