#: shows: blocked calls interrupted by signals exactly as without a tracer
#: fixture: signals
#: exec: signals
#: timeout: 120
