#: shows: 2,000 children that live a millisecond
#: fixture: children
#: exec: children
#: timeout: 120
