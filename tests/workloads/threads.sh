#: shows: hundreds of threads
#: fixture: threads
#: exec: threads
