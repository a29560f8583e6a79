#: shows: files renamed, removed, and a directory that is not empty refused
#: setup: mkdir -p tree/a tree/b; seq 10 | while read -r i; do echo $i > tree/a/$i; done
mv -v tree/a/1 tree/b/one
mv -n tree/a/2 tree/a/3
rm -v tree/a/4
rmdir tree/a 2>/dev/null || echo "rmdir: refused"
rm -r tree/a && rm -rf tree absent
ls -A | wc -l
