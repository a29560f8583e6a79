#: shows: root that becomes somebody else
#: needs: setpriv
#: user: root
#: exec: setpriv --reuid 65534 --regid 65534 --clear-groups sh -c "id -u; id -g; cat /etc/shadow 2>/dev/null || echo refused"
