#: shows: programs started by find and, two at a time, by xargs
#: setup: for i in $(seq 12); do mkdir -p tree/$i; echo $i > tree/$i/file.txt; done
find tree -name '*.txt' -exec wc -c {} + | tail -n 1
find tree -name '*.txt' -size -2 -print0 | xargs -0 -n 3 -P 2 cat | sort -n | tail -n 2
find tree -name '1*' -prune -o -name file.txt -print | wc -l
