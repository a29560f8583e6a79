#: shows: a daemon whose starter waits for its result
#: fixture: daemonise
daemonise result
for _ in $(seq 200); do sleep 0.05; [ -e result ] && break; done
cat result
