#: shows: stops and continues of children seen by their parent exactly as without a tracer
#: fixture: jobs
#: exec: jobs
