#: shows: directories that change between two calls which start from them
#: fixture: moved
#: exec: moved
