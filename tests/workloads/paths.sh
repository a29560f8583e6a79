#: shows: every way to name a file or an endpoint
#: fixture: paths
#: exec: paths
