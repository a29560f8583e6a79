#: shows: a repository repacked by several threads, pruned and checked
#: needs: git
#: setup: git init -q -b main repo; cd repo
#: setup: for i in $(seq 25); do seq $i 300 > f$i; git add .; git commit -q -m c$i; done
cd repo
git -c pack.threads=2 gc -q --prune=now
git count-objects -v | grep -E '^(count|packs|in-pack)'
git fsck --no-progress && echo "fsck: $?"
git pack-refs --all && git rev-parse --verify -q main
