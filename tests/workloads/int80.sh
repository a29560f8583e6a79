#: shows: 32-bit calls from a 64-bit program
#: fixture: int80
#: exec: int80
