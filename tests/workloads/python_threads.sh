#: shows: python with threads, a queue, files, sockets and its own poller
#: needs: /usr/bin/python3
#: exec: /usr/bin/python3 -I -S $HERE/python_threads.py
