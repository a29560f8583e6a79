#: shows: a program that only reads: directories, owners, modes
#: setup: mkdir -p tree/a/b tree/c; echo one > tree/a/one.txt; ln -s one.txt tree/a/link; mkfifo tree/c/fifo; chmod 600 tree/a/one.txt
#: exec: ls -laR --time-style=+ tree
