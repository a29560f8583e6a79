#: shows: a static program
#: fixture: hello-static
#: exec: hello-static one two
