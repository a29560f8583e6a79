#: shows: namespaces, mounts and pivot_root by an unprivileged sandbox
#: needs: bwrap namespaces
#: exec: bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --unshare-pid --unshare-net --die-with-parent /bin/sh -c "ls /; echo pid $$; touch /usr/x 2>/dev/null || echo read-only"
