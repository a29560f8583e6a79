#: shows: another libc
#: fixture: hello-musl
#: exec: hello-musl one two
