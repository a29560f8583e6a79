#: shows: the smallest dynamic C program
#: fixture: hello
#: exec: hello one two
