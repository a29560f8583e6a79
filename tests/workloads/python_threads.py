# Run by python_threads.sh, which says what it shows.
import os, queue, selectors, socket, sqlite3, tempfile, threading, time
work, done = queue.Queue(), queue.Queue()
def worker():
    while (item := work.get()) is not None:
        with tempfile.NamedTemporaryFile("w+", dir=".") as file:
            file.write("x" * item); file.flush(); file.seek(0)
            done.put(len(file.read()))
        time.sleep(0.001)
threads = [threading.Thread(target=worker) for _ in range(6)]
for thread in threads: thread.start()
for item in range(100): work.put(item)
for _ in threads: work.put(None)
for thread in threads: thread.join()
print("sum", sum(done.get() for _ in range(100)))
server = socket.create_server(("127.0.0.1", 0))
def talk():
    with socket.create_connection(server.getsockname()) as client:
        client.sendall(b"ping"); print("client got", client.recv(16).decode())
client = threading.Thread(target=talk); client.start()
poller = selectors.DefaultSelector(); poller.register(server, selectors.EVENT_READ)
poller.select(); connection, _ = server.accept()
print("server got", connection.recv(16).decode()); connection.sendall(b"pong"); client.join()
with os.scandir("/") as entries: print("root has entries", any(entries))
