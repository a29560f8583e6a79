#: shows: one static program that is many tools
#: needs: busybox
#: exec: busybox sh $SCRIPT
busybox ls -d / && busybox seq 1000 | busybox sort -rn | busybox head -n 2
echo "some text" > file && busybox cp file copy && busybox cmp file copy && busybox md5sum copy
busybox mkdir -p d/e && busybox find d | busybox wc -l && busybox rm -r d
busybox gzip -c file | busybox gunzip | busybox grep -c text
busybox vi --help > /dev/null 2>&1; echo "status $?"
