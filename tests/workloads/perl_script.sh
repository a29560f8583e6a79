#: shows: perl: files, directories, a fork with a pipe, a socket pair, sorting, sprintf
#: needs: perl
#: exec: perl -w $HERE/perl_script.pl
#: status: 2
