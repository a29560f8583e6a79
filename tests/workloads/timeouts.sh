#: shows: timers, locks and signals from the command line: timeout, flock, setsid, kill
#: needs: flock setsid
timeout 0.1 sleep 10; echo "timeout: $?"
timeout -s KILL 0.1 sleep 10; echo "killed: $?"
timeout 5 true; echo "in time: $?"
# Ended once it is ready, not after a time that a slow machine may need for less.
timeout --preserve-status 50 bash -c 'trap "exit 9" TERM; : > ready; while :; do sleep 0.02; done' & passing_on=$!
for _ in $(seq 500); do sleep 0.05; [ -e ready ] && break; done
kill -TERM "$passing_on"; wait "$passing_on"; echo "own status: $?"
flock lock -c 'echo "first holder"; flock -n lock -c "echo never" || echo "second refused"'
setsid --wait sh -c 'exit 4'; echo "setsid: $?"
