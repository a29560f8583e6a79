#: shows: a server with background threads under load, saving by a forked child, rewriting its log, stopped
#: needs: redis-server redis-cli redis-benchmark
#: timeout: 120
cli() { redis-cli -p "$PORT" "$@"; }
# Asked before it is there, so that every run sees a refused connection.
cli ping 2> /dev/null || echo "not up"
redis-server --port "$PORT" --bind 127.0.0.1 --dir . --save '' --appendonly yes --appendfsync everysec --logfile redis.log --daemonize no & server=$!
for _ in $(seq 200); do sleep 0.05; [ "$(cli ping 2> /dev/null)" = PONG ] && echo "up" && break; done
redis-benchmark -p "$PORT" -q -n 500 -c 8 -P 2 -t set,get,incr,lpush > load.txt && echo "load: done"
cli set key value; cli get key; cli expire key 100; cli lpush list a b c; cli lrange list 0 -1
cli eval 'return redis.call("incr", KEYS[1])' 1 counter
cli bgrewriteaof > /dev/null
for _ in $(seq 200); do sleep 0.05; cli info persistence | grep -q aof_rewrite_in_progress:0 && echo "rewritten" && break; done
cli bgsave > /dev/null
for _ in $(seq 200); do sleep 0.05; cli info persistence | grep -q rdb_bgsave_in_progress:0 && echo "saved" && break; done
cli config set maxmemory 50mb; cli config set appendfsync always; cli set other value
cli flushall async; cli dbsize
sleep 1.2 # a second of the server's own clock: everysec's sync and its cron jobs
kill -TERM "$server"; wait "$server"; echo "redis: $?"
