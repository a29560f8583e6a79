#: shows: a web server with workers under load, reloaded while it serves, logs reopened, stopped gracefully
#: needs: nginx ab curl
#: timeout: 120
#: setup: mkdir html logs; seq 2000 > html/index.html; user=; [ "$(id -u)" = 0 ] && user='user nobody nogroup;'
#: setup: for n in 1 2; do sed "1d; s/@USER@/$user/; s/@PORT@/$PORT/; s/@GENERATION@/$n/" "$HERE/nginx.conf.in" > $n.conf; done; cp 1.conf nginx.conf
url=http://127.0.0.1:$PORT
# Sleeps before it asks, so that every run sleeps at least once.
until_generation() {
    for _ in $(seq 200); do
        sleep 0.05
        curl -s -D - -o /dev/null "$url/" | grep -q "X-Generation: $1" && echo "generation $1" && return
    done
    echo "generation $1 never came"
}
# Asked before it is there, so that every run sees a refused connection.
curl -s "$url/" || echo "not up"
nginx -p "$PWD" -c nginx.conf -e logs/error.log & server=$!
until_generation 1
ab -q -k -n 300 -c 8 "$url/index.html" | grep -E '^(Complete|Failed) requests'
curl -s "$url/index.html" | wc -c
curl -s -H 'Accept-Encoding: gzip' "$url/proxied/index.html" | wc -c
curl -s -o /dev/null -w '%{http_code}\n' "$url/absent"
cp 2.conf nginx.conf
# Without keep-alive: ab counts a kept connection that the old worker closes as a failure.
ab -q -n 300 -c 8 "$url/index.html" > load.txt & load=$!
kill -HUP "$server"
until_generation 2
wait "$load"; grep -E '^(Complete|Failed) requests' load.txt
mv logs/access.log logs/old.log && kill -USR1 "$server"
for _ in $(seq 200); do sleep 0.05; [ -e logs/access.log ] && break; done
curl -s "$url/index.html" | wc -c
kill -QUIT "$server"; wait "$server"; echo "nginx: $?"
grep -E 'emerg|alert|crit' logs/error.log || echo "no errors"
