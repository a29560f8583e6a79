# Run by python_subprocess.sh, which says what it shows.
import asyncio, multiprocessing, os, signal, subprocess, sys
def square(n): return n * n
if __name__ == "__main__":
    print(subprocess.run(["sh", "-c", "echo out; exit 3"], capture_output=True))
    print(subprocess.check_output("seq 5 | sort -r | head -n 1", shell=True))
    child = subprocess.Popen(["sleep", "30"]); child.terminate(); print("terminated", child.wait())
    try: subprocess.run(["sleep", "30"], timeout=0.05)
    except subprocess.TimeoutExpired: print("timed out")
    try: subprocess.run(["./absent"])
    except FileNotFoundError: print("not found")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0: os._exit(6)
    print("forked", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    with multiprocessing.Pool(2) as pool: print(pool.map(square, range(10)))
    async def main():
        running = await asyncio.create_subprocess_exec("echo", "async", stdout=subprocess.PIPE)
        print((await running.communicate())[0])
    asyncio.run(main())
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGTERM)
