#: shows: a walk over many directories, printing and testing each entry
#: setup: for i in $(seq 60); do mkdir -p tree/$i/x; echo $i > tree/$i/file.txt; : > tree/$i/x/empty; done
#: exec: find tree -type f -printf %p:%s:%m\n
#: output: sorted
