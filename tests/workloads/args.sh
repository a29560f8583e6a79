#: shows: calls with known arguments
#: fixture: args
#: exec: args
