#: shows: a sort that spills to temporary files and uses threads
#: setup: seq 1 300000 | awk '{print ($1 * 7919) % 300007}' > numbers
sort -n -S 1M --parallel=2 -T . numbers | sha256sum
