#: shows: a reader of /proc, over processes that come and go
#: needs: ps
#: exec: ps -eo pid,comm
#: output: none
