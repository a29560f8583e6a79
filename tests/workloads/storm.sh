#: shows: no call fails because a signal comes while a tracer looks at it
#: fixture: storm
#: exec: storm plain
#: engines: ptrace, the other leaves a gap before it has taken a call, in which the kernel ends it with EINTR
