#: shows: an archive made through gzip, listed, extracted and compared
#: needs: tar gzip
#: setup: mkdir -p tree/a tree/b; seq 5000 > tree/a/numbers; ln -s ../a/numbers tree/b/link; head -c 300000 /dev/zero > tree/b/zeros
tar --sort=name -czf archive.tar.gz tree
tar -tzf archive.tar.gz
mkdir out && tar -C out -xzpf archive.tar.gz
tar -df archive.tar.gz -z -C out && diff -r tree out/tree && echo same
