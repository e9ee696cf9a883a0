# SPDX-License-Identifier: Apache-2.0
"""Stock programs read, filter and rewrite another node's files as they would its own."""
import pytest

from side_by_side import same


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_filters_read_and_redirections_write(lab, inside):
    same(lab, r"""
        cat $D/file
        cat $D/file $D/missing $D/dir/lines
        cat $D/dir
        cat <$D/file
        cat <$D/dir/lines >$D/out; cat $D/out
        cat - $D/file <$D/dir/lines
        cat -n $D/link
        cat $D/file >>$D/dir/lines; cat $D/dir/lines
        tac $D/dir/lines
        cat "$D/dir/odd name"
        head -n 2 $D/dir/lines
        head -c 100 $D/dir/sub/numbers | sha256sum
        head -n -3 <$D/dir/lines
        tail -n 2 $D/dir/lines
        tail -c 10 $D/dir/sub/numbers
        tail -n +19998 $D/dir/sub/numbers
        tail -c 3 <$D/dir/sub/numbers
        sort $D/dir/lines
        sort <$D/dir/lines >$D/sorted; cat $D/sorted
        sort -o $D/dir/lines $D/dir/lines; cat $D/dir/lines
        sort -rn -T $D/empty -S 100k $D/dir/sub/numbers | head -3
        sort -u $D/dir/lines $D/file >$D/merged; wc $D/merged
        uniq -c $D/dir/lines
        wc $D/file $D/dir/lines $D/nothing
        wc -c <$D/dir/sub/numbers
        cut -c1-3 $D/dir/lines
        tr a-z A-Z <$D/file >$D/upper; cat $D/upper
        tee $D/t1 $D/t2 <$D/file >$D/t3; cmp $D/t1 $D/t3 && cat $D/t2
        echo more | tee -a $D/t1 >/dev/null; cat $D/t1
        nl $D/file
        fold -w 4 $D/file
        paste $D/file $D/dir/lines
        join <(sort $D/file) <(sort $D/dir/lines)
        comm $D/file $D/t1
        od -An -tx1 $D/file
        od -j 3 -N 4 -c $D/file
        xxd $D/file 2>/dev/null
        strings -n 3 $D/file 2>/dev/null
        split -b 40000 $D/dir/sub/numbers $D/part.; ls $D/part.*; cat $D/part.* | sha256sum
        csplit -s -f $D/cs. $D/dir/lines 2; ls $D/cs.*
        shuf -n 0 $D/file
        base64 $D/file >$D/b64; base64 -d $D/b64
        md5sum $D/file; sha256sum $D/dir/sub/numbers; cksum $D/file
        (cd $D && sha256sum file dir/lines >sums && sha256sum -c sums)
        cmp $D/file $D/hard; echo $?
        cmp $D/file $D/dir/lines
        cmp $D/file $D/missing
        diff $D/file $D/dir/lines
        diff -u $D/file $D/file; echo $?
        diff -rq $D/dir $D/empty
        gzip -k $D/dir/sub/numbers; zcat $D/dir/sub/numbers.gz | sha256sum; gzip -t $D/dir/sub/numbers.gz
        gunzip -c <$D/dir/sub/numbers.gz >$D/unzipped; cmp $D/unzipped $D/dir/sub/numbers
        gzip $D/nothing; ls $D/nothing*
        xargs -a $D/dir/lines -n1 echo
        printf '%s\n' $D/file $D/hard | xargs wc -l
        test -s $D/file -a ! -s $D/t0; echo $?
        expr $(cat $D/dir/lines | wc -l) + 1
        shred -u $D/t1; ls $D/t1
    """, inside=inside)


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_sed_awk_and_grep_edit_and_search(lab, inside):
    same(lab, r"""
        sed s/l/L/ $D/file
        sed -i s/world/moon/ $D/file; cat $D/file
        sed -i.bak 2d $D/dir/lines; cat $D/dir/lines $D/dir/lines.bak; stat -c '%a %u' $D/dir/lines
        sed -i s/x/y/ $D/missing
        sed -i s/x/y/ $D/dir
        sed -n '$=' $D/dir/sub/numbers
        sed -e "w $D/written" $D/file; cat $D/written
        sed -e "r $D/file" $D/dir/lines
        sed --follow-symlinks -i s/moon/mars/ $D/link; cat $D/link; readlink $D/link
        awk '{s+=$1} END {print s}' $D/dir/sub/numbers
        awk '{print > "'$D/awked'"} END {print NR}' $D/dir/lines; cat $D/awked
        awk 'BEGIN {while ((getline line < "'$D/file'") > 0) print "-" line}'
        awk 'BEGIN {print (getline line < "'$D/missing'")}'
        gawk '{print FILENAME, FNR, $0}' $D/file $D/dir/lines 2>/dev/null
        grep apple $D/dir/lines
        grep -c '' $D/dir/sub/numbers
        grep -rn e $D/dir | sort
        grep -rl apple $D | sort
        grep -q nosuch $D/file
        grep x $D/missing
        grep x $D/dir
        grep -f $D/dir/lines $D/dir/lines
        grep -L apple $D/file $D/dir/lines
        grep -o 'l.' <$D/file
        egrep -h '^(1|2)0{3}$' $D/dir/sub/numbers 2>/dev/null
        find $D -type f -print0 | xargs -0 grep -l hello | sort
        perl -ne 'print if /a/' $D/dir/lines
        perl -pi -e 's/apple/pear/' $D/dir/lines; cat $D/dir/lines
        perl -e 'open F, "<", "'$D/missing'" or print "$!\n"'
        perl -e 'open F, "+<", "'$D/file'"; seek F, 2, 0; print F "XY"; close F'; cat $D/file
        perl -e 'print -s "'$D/file'", (-d "'$D/dir'") ? "d" : "", (-l "'$D/link'") ? "l" : "", "\n"'
        perl -e 'opendir D, "'$D/dir'"; print join(" ", sort readdir D), "\n"'
        printf '1d\nw\nq\n' | ed -s $D/dir/lines; cat $D/dir/lines
        ed -s $D/missing </dev/null
        patch -s $D/file <(printf -- '--- a\n+++ b\n@@ -2 +2 @@\n-mars\n+sun\n') ; cat $D/file
    """, inside=inside)


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_tar_packs_and_unpacks_in_both_directions(lab, inside):
    same(lab, r"""
        tar -cf $L/t.tar -C $D dir link hard file empty; tar -tf $L/t.tar | sort
        tar -cf $D/t.tar -C $D dir link hard file; tar -tvf $D/t.tar | sort
        mkdir $D/out; tar -xpf $L/t.tar -C $D/out; find $D/out -mindepth 1 -printf '%P %y %m %U %n %s %t %l\n' | sort
        diff -r --no-dereference $D/dir $D/out/dir
        mkdir $L/out; tar -xpf $D/t.tar -C $L/out; diff -r --no-dereference $D/dir $L/out/dir; ls -A $L/out
        tar -C $D -cf - dir | tar -C $D/empty -xf -; diff -r $D/dir $D/empty/dir
        tar -C $D -czf $D/t.tgz dir; tar -xzOf $D/t.tgz dir/lines
        tar -rf $D/t.tar -C $D nothing; tar -tf $D/t.tar | tail -1
        tar --delete -f $D/t.tar nothing; tar -tf $D/t.tar | tail -1
        tar -df $D/t.tar -C $D; echo $?
        tar -xf $D/missing.tar
        tar -cf $D/x.tar -C $D missing
        tar -cf - $D/missing >/dev/null
        tar --sparse -cf $D/sparse.tar -C $D dir; tar -xOf $D/sparse.tar dir/sub/numbers | sha256sum
        (cd $D && find . -name 'l*' | sort | cpio -o --quiet >$L/c 2>/dev/null; cpio -it --quiet <$L/c 2>/dev/null)
    """, inside=inside)


def test_less_vim_and_git_work_where_installed(lab):
    same(lab, r"""
        less $D/file | cat
        less -F $D/dir/lines </dev/null | cat
        more $D/file | cat
        if command -v vim >/dev/null; then vim -nes -u NONE +'%s/hello/HELLO/' +wq $D/file </dev/null; cat $D/file; fi
        python3 -c "print(open('$D/file').read(), end='')"
        if command -v jq >/dev/null; then echo '{"a":1}' >$D/j; jq .a $D/j; fi
        if command -v rsync >/dev/null; then rsync -a $D/dir/ $D/rs/; diff -r $D/dir $D/rs; fi
        if command -v zip >/dev/null; then (cd $D; zip -qr z.zip dir; unzip -l z.zip | tail -1); fi
        if command -v sqlite3 >/dev/null; then sqlite3 $D/db 'create table t(x); insert into t values(4)' .dump; fi
    """, compare_trees=False)


GIT = r"""
export HOME=$L GIT_AUTHOR_DATE=@1 GIT_COMMITTER_DATE=@1; cd $D
git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch main
git config --global --add safe.directory '*'
git init -q && git add file dir && git commit -qm one; git log --format=%H; git status --short
sed -i s/hello/bye/ file; git diff --stat; git commit -qam two; git log --oneline; git checkout -q HEAD~1; cat file
git checkout -q main; git gc -q; git fsck; git clone -q $D $L/clone; ls -A $L/clone; git -C $L/clone log --format=%s
"""


def test_git_keeps_a_repository_on_the_other_node(lab):
    same(lab, [GIT], compare_trees=False)


def test_a_file_is_followed_as_it_grows(lab):
    """tail -f polls where inotify is not to be had."""
    lab.exec("b", ["sh", "-c", "echo one >/tmp/growing"], plain=True)
    follower = lab.start("a", ["sh", "-c", "tail -f -s 0.05 -n +1 /net/b/tmp/growing | head -n 3"])
    lab.exec("b", ["sh", "-c", "echo two >>/tmp/growing"], plain=True)
    lab.exec("b", ["sh", "-c", "echo three >>/tmp/growing; sleep 0.3; echo four >>/tmp/growing"], plain=True)
    result = follower.wait(timeout=20)
    assert result.stdout == "one\ntwo\nthree\n"
