#: shows: python's ways to start programs: subprocess, os.fork, multiprocessing, asyncio
#: needs: /usr/bin/python3
#: exec: /usr/bin/python3 -I -S $HERE/python_subprocess.py
#: status: signal TERM
