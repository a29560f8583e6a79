#: shows: downloads: several at once, a redirect, an upload, a refused connection
#: needs: curl
#: server: http
curl -sS --no-progress-meter --parallel "http://127.0.0.1:$HTTP_PORT/[1-4].html" -o 'got-#1' && cat got-* | wc -c
curl -sS -L -o redirected -w '%{num_redirects} %{http_code}\n' "http://127.0.0.1:$HTTP_PORT/redirect"
head -c 100000 /dev/zero | curl -sS -T - -w '%{http_code}\n' "http://127.0.0.1:$HTTP_PORT/upload"
curl -sS -o /dev/null "http://localhost:$HTTP_PORT/page.html" && echo "by name"
curl -sS http://127.0.0.1:1/ 2> /dev/null; echo "refused: $?"
