#: shows: a static program at a random address
#: fixture: hello-static-pie
#: exec: hello-static-pie one two
