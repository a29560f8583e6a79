#: shows: a tree copied with modes, times, links and a sparse file
#: setup: mkdir -p tree/a/b tree/c; seq 20000 > tree/a/numbers; ln -s numbers tree/a/link; ln tree/a/numbers tree/c/hard; truncate -s 1M tree/c/sparse
#: exec: cp -a -v tree copy
#: output: sorted
