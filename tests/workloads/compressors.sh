#: shows: compressors with threads of their own
#: needs: xz zstd bzip2
#: setup: seq 400000 > numbers
zstd -q -T2 -o numbers.zst numbers && zstd -q -d -o numbers.back numbers.zst && cmp numbers.back numbers && echo zstd
xz -k -T2 -1 numbers && xz -dc numbers.xz > numbers.again && cmp numbers.again numbers && echo xz
bzip2 -k numbers && bzip2 -dc numbers.bz2 | cmp - numbers && echo bzip2
