#: shows: a program that dies by SIGSEGV
#: fixture: crash
#: exec: crash
#: status: signal SEGV
