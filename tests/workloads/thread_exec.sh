#: shows: exec by a thread that is not the leader
#: fixture: thread_exec
#: exec: thread_exec
