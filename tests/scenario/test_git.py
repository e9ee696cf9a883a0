# SPDX-License-Identifier: Apache-2.0
"""git keeps, clones, repairs and rewrites repositories on another node."""
import pytest

from side_by_side import MAPPED, TREE, same

pytestmark = pytest.mark.slow

SET_UP = r"""
export HOME=$L GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_DATE='@1700000000 +0000' GIT_COMMITTER_DATE='@1700000000 +0000'
git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch main
git config --global advice.detachedHead false; git config --global safe.directory '*'; git config --global gc.auto 0
git config --global protocol.file.allow always; mkdir -p ${D%/*}; cd $D
"""

#: Two branches that differ in one line, a tag, an ignored file.
HISTORY = r"""
git init -q repo; cd repo; cp ../dir/lines ../dir/sub/numbers .; echo '*.o' >.gitignore; git add .; git commit -qm one
git checkout -qb side; sed -i s/banana/plum/ lines; git commit -qam two; git tag -a v1 -m tagged
git checkout -q main; sed -i s/cherry/berry/ lines; mkdir sub; cp lines sub/; git add sub; git commit -qam three; cd ..
"""


def same_git(lab, commands, history=HISTORY, **how):
    """One shell for all of a test, so that each line finds what the lines before it have made."""
    __tracebackhide__ = True  # pylint: disable=unused-variable
    return same(lab, [SET_UP + history + commands], tree=TREE, compare_trees=False, **how)


@pytest.mark.parametrize("env", [None, MAPPED], ids=["net", "mapped"])
def test_everyday_commands(lab, env):
    same_git(lab, r"""
        cd repo; git status; git log --oneline --all --graph; git log -p -1; git show v1 --stat; git diff main side
        echo new >fresh; mv numbers renamed; rm sub/lines; git status --short; git add -A; git status --short
        git diff --cached --stat
        git commit -qm four; git blame lines; git grep -n an; git ls-files -s; git ls-tree -r HEAD; git cat-file -p HEAD
        echo x >>lines; git stash; git status --short; git stash list; git stash pop; git checkout lines
        git clean -nd; touch junk x.o; git clean -fdx
        git mv renamed numbers; git rm -q fresh; git commit -qm five; git revert --no-edit HEAD
        git reset -q --hard HEAD~1; git reflog | head -4
        git merge side -m merged; git status --short; git checkout --theirs lines; git add lines
        git commit -qm merged; git log --format='%h %p %s'
        git archive HEAD | tar -tf - ; git format-patch -1 --stdout HEAD~1 | head -5; git describe --always
        git rev-parse --show-toplevel --git-dir
        git config --local user.name other; git config --get-all user.name; git notes add -m note; git branch -vv
        git branch -d side; git tag -d v1
        cd sub; git rev-parse --show-prefix --show-cdup; git status --short; cd ../..
        git -C repo log -1 --format=%H; git --git-dir=$D/repo/.git log -1 --format=%T
        GIT_DIR=$D/repo/.git GIT_WORK_TREE=$D/repo git status --short; git -C $D/missing status
        git -C $D/empty status 2>&1 | sed 's/point .*/point/'
    """, env=env)


@pytest.mark.slow
def test_rewriting_and_work_trees(lab):
    same_git(lab, r"""
        cd repo; git rebase main side; git status; git checkout --ours lines; echo solved >>lines; git add lines
        GIT_EDITOR=true git rebase --continue; git log --oneline
        git checkout -q main; git cherry-pick side; git log --oneline; git commit --amend -qm amended
        git rebase -q --root --exec true; git log --oneline
        GIT_SEQUENCE_EDITOR="sed -i '2s/pick/squash/'" GIT_EDITOR=true git rebase -qi HEAD~2; git log --format=%B
        git worktree add -q ../second side; git worktree list; cd ../second; echo w >w; git add w
        git commit -qm w; cd ../repo; git log -1 --format=%s side
        git worktree move ../second ../third; git worktree list; git worktree remove ../third; git worktree prune
        git worktree list; ls ..
        git bisect start -q; git bisect bad; git bisect good HEAD~1 | tail -1; git bisect reset -q
        git switch -qc topic; git restore --source=HEAD~1 lines; git diff --stat
        git submodule -q add $D/repo/.git inner; git submodule status; git commit -qam sub
        git submodule update --init --recursive; cat inner/lines; git fsck
        printf '#!/bin/sh\necho hook $1\nexit 1\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit
        echo h >>lines; git commit -qam refused; git commit -qnam forced; git log -1 --format=%s
    """)


@pytest.mark.slow
def test_packing_and_repair(lab):
    same_git(lab, r"""
        cd repo; git count-objects | cut -d, -f1; git fsck --full; git gc -q; git count-objects
        ls .git/objects/pack | wc -l; git fsck --full; git log --oneline --all
        git repack -adfq --threads=2; git verify-pack .git/objects/pack/*.idx; git prune; git pack-refs --all
        cat .git/packed-refs | wc -l; git fsck --strict
        for i in $(seq 30); do echo $i >f$i; done; git add .; git commit -qm many
        git gc -q --prune=now --aggressive; git count-objects; git commit-graph write; git multi-pack-index write
        git fsck
        git bundle create -q ../b.bundle --all; git bundle verify -q ../b.bundle
        git clone -q ../b.bundle ../from-bundle; git -C ../from-bundle log --oneline
        git -C $D init -q --bare imported
        git fast-export --all | git -C $D/imported fast-import --quiet; git -C $D/imported fsck
        git -C $D/imported rev-list --all --count
        file=$(git rev-list --objects --all | head -1 | cut -c1-40)
        git unpack-objects -q <$(ls .git/objects/pack/*.pack | head -1); git show --stat $file | tail -1
        git repack -aq; mv .git/objects/pack $L/; git fsck 2>&1 | head -3; mv $L/pack .git/objects/; git fsck
        rm .git/index; git status --short | head -2; git reset -q; git status --short
    """)


@pytest.mark.slow
def test_cloning_fetching_and_pushing_in_every_direction(lab):
    same_git(lab, r"""
        git clone -q repo copy; git clone -q $D/repo $L/out; git clone -q --bare $L/out $D/bare.git
        git clone -q --no-local --depth 1 repo shallow; git clone -q --no-hardlinks $D/bare.git $D/plain
        git clone -q --reference repo $L/out referenced; git clone -q --shared repo shared
        git clone -q --mirror repo mirror; git clone -q file://$D/bare.git by-url
        git clone -q -b side --single-branch repo single
        for one in copy $L/out shallow plain referenced shared by-url single; do git -C $one log --oneline
        git -C $one fsck; git -C $one status --short --branch; done
        cd $L/out; git remote add b $D/bare.git; echo pushed >p; git add p; git commit -qm pushed
        git push -q b main; git -C $D/bare.git log -1 --format=%s main; git push b main 2>&1 | tail -1
        cd $D/plain; git fetch -q; git status -sb; git pull -q --ff-only; cat p; echo back >>p
        git commit -qam back; git push -q; cd $L/out; git pull -q b main; cat p
        git push b :side 2>&1 | sed 's/^To .*//'
        cd $D/copy; git remote set-url origin $L/out; git pull -q --rebase origin main; git log -1 --format=%s
        git ls-remote $D/bare.git; git clone -q $D/nothing $L/none; git clone -q repo copy
        git -C $D/repo upload-pack --help >/dev/null 2>&1; git -C $D/bare.git gc -q; git -C $D/bare.git fsck
        git -C $D/bare.git count-objects; ls $D
    """)


@pytest.mark.slow
def test_many_files_are_added_found_and_checked_out(lab):
    same_git(lab, r"""
        git init -q many; cd many; for d in $(seq 20); do mkdir d$d; (cd d$d; seq 100 | split -l 4 -a 2 - f); done
        git add .; git commit -qm all; git ls-files | wc -l
        git status --short; touch d1/faa; git status --short; echo x >>d7/fac; git status --short; git diff --stat
        git stash -q; git checkout -q -b other; git rm -rq d2; git commit -qm less; git checkout -q main; ls | wc -l
        git stash pop -q; git add -u; git commit -qm changed; git merge -q other -m m
        git log --oneline --stat | tail -1; git read-tree -m HEAD; git checkout-index -qaf --prefix=$L/tree/
        find $L/tree -type f | wc -l
    """, history="")
