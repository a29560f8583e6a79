#: shows: a program that waits for a file to grow, with inotify
#: setup: echo first > log
tail -n +1 -f log > seen & follower=$!
for i in 1 2 3; do sleep 0.05; echo "line $i" >> log; done
for _ in $(seq 200); do sleep 0.05; [ "$(wc -l < seen)" = 4 ] && break; done
kill "$follower"; wait "$follower" 2> /dev/null; echo "tail: $?"
cat seen
