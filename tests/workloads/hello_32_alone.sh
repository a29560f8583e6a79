#: shows: a 32-bit program alone: of 64-bit calls there is only the execve that started it
#: fixture: hello-32
#: exec: hello-32 one two
#: extra: no, the wrapper is 64-bit and may not even write
