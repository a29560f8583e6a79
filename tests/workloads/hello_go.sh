#: shows: a Go program with goroutines, timers, signals, a file and a connection to itself
#: fixture: hello-go
#: exec: hello-go
