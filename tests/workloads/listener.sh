#: shows: a program that supervises its own child through a seccomp listener
#: fixture: listener
#: exec: listener
#: engines: ptrace, the kernel allows one listener per task
