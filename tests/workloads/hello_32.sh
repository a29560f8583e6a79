#: shows: a 32-bit program, started by a 64-bit shell
#: fixture: hello-32 hello-32-static
hello-32 one two
hello-32-static one two
echo "shell: 64 bits again"
