#: shows: a shell's work: pipelines, process substitution, here documents, background jobs, traps, globs
#: setup: mkdir words; for i in alpha beta gamma delta; do echo $i > words/$i.txt; done
set -o pipefail
seq 3000 | sort -rn | awk '$1 % 7 == 0 {sum += $1} END {print sum}'
cat words/*.txt | sort | tee sorted.txt | tr a-z A-Z | head -n 2
diff <(ls words) <(cd words && printf '%s\n' *) && echo "same lists"
while read -r word; do printf '%s:%s ' "$word" "${#word}"; done < sorted.txt; echo
cat <<END | sed 's/x/y/g'
x marks $((6 * 7))
END
trap 'echo "trapped USR1"' USR1
kill -USR1 $$
sleep 0.05 & first=$!
(exit 3) & second=$!
wait "$first"; echo "first: $?"
wait "$second"; echo "second: $?"
trap 'echo "leaving"' EXIT
[ -e absent ] || test -r words/alpha.txt && read -r line < words/alpha.txt && echo "$line"
yes | head -n 3 | wc -l
exit 5
#: status: 5
