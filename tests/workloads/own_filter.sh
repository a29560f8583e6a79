#: shows: a program whose own seccomp filter answers before the tracer's is asked
#: fixture: own_filter
#: exec: own_filter
