#: shows: a digest of one file: a large library that uses little
#: needs: openssl
#: setup: seq 50000 > numbers
#: exec: openssl dgst -sha256 numbers
