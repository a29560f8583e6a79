#: shows: a repository made, committed to, branched, merged and looked at
#: needs: git
git init -q -b main repo && cd repo
for i in 1 2 3; do seq "$i" $((i * 50)) > "file$i"; git add . && git commit -q -m "commit $i"; done
git checkout -q -b side HEAD~1 && echo side > side && git add side && git commit -q -m side
git checkout -q main && git merge -q -m merge side
git log --oneline --graph --stat | cat
echo changed >> file1; git status --short; git diff --stat | cat
git stash -q && git status --short && git stash pop -q && git tag v1 && git describe --always
git grep -c 40 | cat; git blame -s file1 | tail -n 1 | cut -c10-
