#: shows: small tools that ask the system: identity, time, disks, limits, names
#: setup: head -c 65536 /dev/zero > zeros
id -u > /dev/null && id > /dev/null && echo id
date -u -d @0 +%F
df . > /dev/null && echo df
du -a --apparent-size zeros | cut -f1
stat -c '%s %F %a' zeros
uname -s; nproc > /dev/null; hostname > /dev/null; uptime > /dev/null 2>&1
getent passwd root | cut -d: -f1
env -i A=b printenv A
dd if=zeros of=copy bs=1000 count=10 conv=fsync,notrunc status=none; stat -c %s copy
touch -d @1000000000 zeros; stat -c %Y zeros
mktemp -p . -u XXX > /dev/null; truncate -s 100 copy; chmod 4755 copy; stat -c %a copy
tail -c 3 zeros | od -An -tx1; sync zeros
nice -n 5 nohup sh -c 'nice' < /dev/null 2> /dev/null
numfmt --to=iec 1048576; factor 1234567; base64 zeros | md5sum
realpath zeros | xargs basename; readlink -f . > /dev/null; ls -i zeros > /dev/null
