#: shows: a download from a server on this machine that is not part of the run
#: needs: curl
#: server: http
#: exec: curl -sS -o page.html -w %{http_code}:%{size_download}\n http://127.0.0.1:$HTTP_PORT/page.html
