#: shows: with SA_RESTART no call fails because a signal comes while a tracer looks at it
#: fixture: storm
#: exec: storm restart
