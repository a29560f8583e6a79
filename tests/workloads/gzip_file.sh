#: shows: one file compressed in place
#: needs: gzip
#: setup: seq 100000 > numbers
#: exec: gzip -9 -k -v numbers
