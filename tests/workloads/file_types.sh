#: shows: a program that confines itself with seccomp after it started
#: needs: file gzip
#: setup: echo text > a; gzip -kn a; ln -s a link; mkdir d
#: exec: file -h a a.gz link d /bin/sh
