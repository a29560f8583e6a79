#: shows: a daemon that works on after the traced command has ended
#: fixture: daemonise
#: exec: daemonise result
#: enforce: no, a runtime without a pid namespace kills what the container's first process leaves behind
#: after: for _ in $(seq 200); do [ -e result ] && break; sleep 0.05; done; cat result
