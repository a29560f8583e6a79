#: shows: calls by x32 and unknown numbers
#: fixture: odd_numbers
#: exec: odd_numbers
