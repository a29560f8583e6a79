#: shows: clones by plain path (hard links), by file:// (a pack through pipes), and a push back
#: needs: git
#: setup: git init -q -b main origin; cd origin; git config receive.denyCurrentBranch ignore
#: setup: for i in $(seq 15); do seq $i 100 > f$i; git add .; git commit -q -m c$i; done
git clone -q origin plain && git -C plain rev-parse HEAD
git clone -q "file://$PWD/origin" piped && git -C piped log --oneline | wc -l
git clone -q --depth 3 "file://$PWD/origin" shallow && git -C shallow log --oneline | wc -l
git clone -q --bare origin bare.git && git --git-dir bare.git count-objects | cut -d' ' -f1
cd piped && echo new > new && git add new && git commit -q -m new && git push -q origin main && echo pushed
git fetch -q && git -C ../origin log --oneline | wc -l
