#!/bin/bash
# SPDX-License-Identifier: MIT
# A day with git: commits, branches, merges with conflicts, rebase, bisect with a script, gc, clone, fetch, push, fsck.
set -eu
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=B \
	GIT_COMMITTER_EMAIL=b@example.org GIT_PAGER=cat GIT_EDITOR=true
files=${1:-120}
now=1700000000
tick() { now=$((now + 60)); export GIT_AUTHOR_DATE="$now +0000" GIT_COMMITTER_DATE="$now +0000"; }

git config --global init.defaultBranch main
git config --global gc.autoDetach false
git config --global advice.detachedHead false
git init -q one
cd one
git config pack.threads "${2:-1}"	# with more, deltas are found in any order
for ((i = 0; i < files; i++)); do
	mkdir -p "d$((i % 7))"
	seq "$i" $((i + 200)) >"d$((i % 7))/file $i"
done
git add .
tick
git commit -qm 'first'
for ((i = 0; i < 8; i++)); do
	sed -i "s/^1$i\$/changed $i/" d*/file*
	tick
	git commit -qam "change $i"
	git tag "v$i"
done
git checkout -qb side v3
echo side >>'d1/file 1'
tick
git commit -qam 'on the side'
git checkout -q main
echo main >>'d1/file 1'
tick
git commit -qam 'on main'
tick
git merge side || { git checkout --ours -- 'd1/file 1'; git add -u; git commit -qm merged; }
git checkout -qb topic v5
echo topic >new
git add new
tick
git commit -qm topic
tick
git rebase -q main
git log --oneline --graph
git bisect start main v0
git bisect run sh -c '! grep -q "changed 4" "d0/file 14"' | grep -v '^running'
git bisect reset
git stash list
echo dirty >>new && git stash -q && git stash pop -q && git checkout -q new 2>/dev/null
git blame -s 'd1/file 1' | tail -3
git grep -c changed | sort | tail -3
git diff --stat v0 v7 | tail -1
tick
git gc -q --aggressive --prune=now
git count-objects -v | grep -v size
git fsck --full --strict
cd ..
git clone -q "file://$PWD/one" two
git clone -q --bare one three.git
cd two
git config pack.threads 1
echo two >two && git add two
tick
git commit -qm two
git push -q ../three.git HEAD:refs/heads/pushed
git fetch -q ../three.git pushed
git rev-parse FETCH_HEAD HEAD
git archive --format=tar.gz HEAD | tar -tz | wc -l
git bundle create -q ../all.bundle --all
git worktree add -q ../tree v2
git repack -adq
git verify-pack -v .git/objects/pack/*.idx | wc -l
git fsck --full
git status --short
