#: shows: timers, locks and signals from the command line: timeout, flock, setsid, kill
#: needs: flock setsid
timeout 0.1 sleep 10; echo "timeout: $?"
timeout -s KILL 0.1 sleep 10; echo "killed: $?"
timeout 5 true; echo "in time: $?"
timeout --preserve-status -k 1 0.1 bash -c 'trap "exit 9" TERM; while :; do sleep 0.02; done'; echo "own status: $?"
flock lock -c 'echo "first holder"; flock -n lock -c "echo never" || echo "second refused"'
setsid --wait sh -c 'exit 4'; echo "setsid: $?"
