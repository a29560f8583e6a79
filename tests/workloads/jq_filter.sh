#: shows: a filter over JSON
#: needs: jq
#: setup: seq 200 | awk 'BEGIN {print "["} NR > 1 {print ","} {print "{\"n\":" $1 ",\"s\":\"x" $1 "\"}"} END {print "]"}' > in.json
#: exec: jq -c "[.[] | select(.n % 50 == 0) | .s]" in.json
