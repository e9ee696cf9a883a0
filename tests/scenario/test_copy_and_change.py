# SPDX-License-Identifier: Apache-2.0
"""Stock programs copy, move, list and change another node's files as they would its own."""
import pytest

from side_by_side import same


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_cp_copies_files_and_trees(lab, inside):
    same(lab, r"""
        cp $D/file $D/copy
        cp $D/file $D/copy && cat $D/copy
        cp -v $D/file $D/dir/lines $D/empty
        cp -p $D/dir/lines $D/kept; stat -c '%a %U %G %s %y' $D/kept
        cp -a $D/dir $D/archive; find $D/archive -printf '%P %y %m %U %G %s %t\n' | sort
        cp -r $D/dir $D/recursive; diff -r $D/dir $D/recursive
        cp -rL $D/dirlink $D/followed; ls -A $D/followed
        cp -P $D/link $D/linkcopy; readlink $D/linkcopy
        cp -l $D/file $D/linked; stat -c %h $D/file
        cp -s $(realpath $D/file) $D/symbolic; readlink $D/symbolic; rm $D/symbolic
        cp -n $D/dir/lines $D/file; cat $D/file
        cp -u $D/file $D/copy
        cp -b $D/nothing $D/copy; ls $D/copy*
        cp --preserve=all --sparse=always $D/dir/sub/numbers $D/sparse; sha256sum <$D/sparse
        cp --reflink=auto $D/file $D/reflink; cat $D/reflink
        cp --reflink=always $D/file $L/none 2>/dev/null; test -s $L/none; echo $?
        cp -t $D/empty $D/file $D/nothing; ls $D/empty
        cp $D/missing $D/x
        cp $D/dir $D/x
        cp $D/file $D/missing/x
        cp $D/file $D/file
        cp $D/file $D/hard
        cp -T $D/file $D/empty
        cp $D/dangling $D/x
        cp $D/file $D/dangling
        cp /etc/services $D/; cmp /etc/services $D/services
        cp $D/dir/sub/numbers $L/here; cmp $L/here $D/dir/sub/numbers; wc -c <$L/here
        cp -a $D/dir $L/tree; ls -A $L/tree; stat -c '%a %U %y' $L/tree/lines
        cp -a $L/tree $D/back; diff -r $D/dir $D/back; stat -c '%a %U %y' $D/back/lines
        install -m 751 $D/file $D/installed; stat -c %a $D/installed
        install -d -m 710 $D/made/deep; stat -c %a $D/made $D/made/deep
    """, inside=inside)


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_mv_ln_and_rm_change_names(lab, inside):
    same(lab, r"""
        mv $D/file $D/moved; cat $D/moved; stat -c %h $D/moved
        mv -v $D/moved $D/empty
        mv -n $D/nothing $D/dir/lines; test -e $D/nothing; echo $?
        mv $D/dir $D/empty/; ls $D/empty
        mv $D/empty/dir $D/dir
        mv $D/dir $D/dir/sub
        mv $D/missing $D/x
        mv $D/nothing $D/locked/../nothing2; ls $D/nothing2
        mv -T $D/dir $D/empty
        mv -b $D/nothing2 $D/hard; ls $D/hard*
        mv $D/link $D/link2; readlink $D/link2
        mv $D/dir/lines $L/lines; cat $L/lines; ls $D/dir
        mv $L/lines $D/dir/lines; cat $D/dir/lines; stat -c '%a %U %G %y' $D/dir/lines
        mv $D/dir $L/; ls $L/dir; test -e $D/dir; echo $?
        mv $L/dir $D/
        ln $D/hard $D/hard2; stat -c '%h %F' $D/hard2; test $D/hard -ef $D/hard2; echo $?
        ln $D/hard $D/hard2
        ln $D/dir $D/dirhard
        ln -s dir/lines $D/soft; cat $D/soft
        ln -s other $D/soft
        ln -sf other $D/soft; readlink $D/soft
        ln -sfn empty $D/soft; readlink $D/soft
        ln -sr $D/dir/lines $D/empty/relative; readlink $D/empty/relative; cat $D/empty/relative
        ln -P $D/absolute $D/absolute2; readlink $D/absolute2
        ln -L $D/soft2 $D/x
        ln $D/missing $D/x
        rm $D/missing
        rm -f $D/missing
        rm $D/dir
        rm -v $D/hard2
        rm $D/dangling; ls $D
        rmdir $D/dir
        rmdir $D/locked; test -d $D/locked; echo $?
        rmdir $D/hard
        unlink $D/soft
        rm -r $D/dirlink; ls -d $D/dir
        rm -rv $D/dir | sort
        rm -rf $D/empty $D/nosuch; ls -A $D
    """, inside=inside)


def test_rename_and_link_across_nodes_are_exdev_and_mv_copies(lab):
    same(lab, r"""
        mv $D/file $L/ && cat $L/file && ls $D
        mv $L/file $D/file && stat -c '%a %y' $D/file
        ln -s $D/file $L/pointer && cat $L/pointer
    """, compare_trees=False)
    result = lab.exec("a", ["ln", "/net/b/etc/hostname", "/tmp/hardlink"])
    assert (result.status, result.stderr) == (
        1, "ln: failed to create hard link '/tmp/hardlink' => '/net/b/etc/hostname': Invalid cross-device link\n")


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_mkdir_touch_chmod_chown_and_truncate_change_attributes(lab, inside):
    same(lab, r"""
        mkdir $D/new; stat -c '%a %F' $D/new
        mkdir $D/new
        mkdir -p $D/new/a/b/c; find $D/new -printf '%P %m\n' | sort
        mkdir -m 1777 $D/sticky; stat -c %a $D/sticky
        mkdir $D/missing/x
        mkdir $D/file/x
        mkdir $D/dangling
        (umask 077; mkdir $D/private; touch $D/private/f; stat -c %a $D/private $D/private/f)
        touch -d '2020-02-02 02:02:02.123456789' $D/file; stat -c '%x %y' $D/file
        touch -a -d '2021-01-01' $D/file; stat -c '%x %y' $D/file
        touch -m -d '2022-01-01' $D/file; stat -c '%x %y' $D/file
        touch -r $D/dir/lines $D/file; stat -c '%x %y' $D/file
        touch -h -d '1999-09-09' $D/link; stat -c %y $D/link $D/file
        touch -d @-1.5 $D/file; stat -c %y $D/file
        touch -d @4294967296 $D/file; stat -c %y $D/file
        touch -c $D/missing; test -e $D/missing; echo $?
        touch $D/fresh; stat -c '%s %a' $D/fresh
        touch $D/missing/x
        chmod u=rwx,g=rx,o= $D/file; stat -c %a $D/file
        chmod -R g+w $D/dir; find $D/dir -printf '%P %m\n' | sort
        chmod 6755 $D/file; stat -c %A $D/file
        chmod +t $D/dir; stat -c %A $D/dir
        chmod --reference=$D/locked $D/file; stat -c %a $D/file
        chmod -v 600 $D/file
        chmod 600 $D/missing
        chmod 600 $D/dangling
        chown 1000 $D/file; stat -c '%u %g' $D/file
        chown 1000:1001 $D/dir; stat -c '%u %g' $D/dir
        chown :5 $D/file; stat -c '%u %g' $D/file
        chown -h 1000 $D/link; stat -c %u $D/link $D/file
        chown -R 7:8 $D/dir; find $D/dir -printf '%P %U %G\n' | sort
        chgrp 9 $D/file; stat -c %g $D/file
        chown nosuchuser $D/file
        chown 1 $D/missing
        truncate -s 5 $D/file; cat $D/file
        truncate -s +10 $D/file; od -c $D/file
        truncate -s 3M $D/grown; stat -c '%s %b' $D/grown
        truncate -s 5 $D/dir
        truncate -r $D/file $D/grown; stat -c %s $D/grown
        truncate -s -1 $D/file; stat -c %s $D/file
        fallocate -l 8192 $D/allocated; stat -c '%s %b' $D/allocated
        fallocate -p -o 0 -l 4096 $D/allocated; stat -c '%s %b' $D/allocated
        sync $D/file; echo $?
        sync -d $D/dir/lines; echo $?
        sync -f $D/file; echo $?
    """, inside=inside)


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_ls_stat_du_and_find_show_what_is_there(lab, inside):
    same(lab, r"""
        ls $D
        ls -la $D
        ls -laR $D
        ls -l --full-time $D/dir
        ls -ld $D $D/dir $D/link $D/dangling
        ls -lL $D/link $D/dir
        ls -1U $D | sort
        ls -F $D
        ls -sS --block-size=1 $D/dir/sub
        ls -i $D/file >$L/i; ls -i $D/hard >>$L/i; awk '{print $1}' $L/i | uniq | wc -l
        ls --color=always $D
        ls $D/missing
        ls $D/file/x
        ls $D/dangling/
        ls $D/dirlink
        ls $D/dirlink/
        ls -d $D/dirlink
        ls $D/dir/../file
        ls $D/dir//./sub///numbers
        stat -c '%n %F %a %u %g %s %b %B %h %t %T' $D/dir/lines
        stat -c '%n %F %a %s' $D $D/link $D/dangling $D/nothing /dev/null
        stat -L -c '%n %F %s' $D/link $D/dangling
        stat -c '%x %y' $D/file
        stat -c '%N' $D/absolute
        stat $D/missing
        stat -f -c '%l %t %S %s' $D/file
        stat -f $D/missing
        test $(stat -c %i $D/file) = $(stat -c %i $D/hard); echo $?
        test $(stat -c %d $D/file) = $(stat -c %d $D/dir); echo $?
        du -a $D | sort -k2
        du -s $D
        du -sb $D
        du -h --apparent-size $D/dir
        du -c $D/file $D/hard
        du $D/missing
        df --output=size $D/file
        df -h $D >/dev/null; echo $?
        find $D -xdev | sort
        find $D -xdev -type f -size +10k
        find $D -name 'l*' -o -name '*name' | sort
        find $D -type l -printf '%P -> %l\n' | sort
        find -L $D -type f | sort
        find $D -perm -2000
        find $D -newer $D/file
        find $D -user 1000 -printf '%P %u\n'
        find $D -links 2 -printf '%P %n\n' | sort
        find $D -samefile $D/file | sort
        find $D -empty | sort
        find $D -type f -exec wc -c {} + | sort
        find $D -depth -name sub -prune -o -print | sort
        find $D -maxdepth 1 -mindepth 1 -type d -execdir basename {} \; | sort
        find $D -name numbers -delete; ls $D/dir/sub
        find $D/missing
        tree_of() { for f in "$1"/*; do echo "$f"; [ -d "$f" ] && [ ! -L "$f" ] && tree_of "$f"; done; }; tree_of $D
        readlink $D/link $D/absolute
        readlink -f $D/link
        readlink -f $D/dirlink/../link
        readlink -e $D/dangling
        readlink -m $D/missing/x/../y
        readlink $D/file
        realpath $D/dirlink/sub
        realpath --relative-to=$D/dir $D/file
        namei -m $D/dirlink/lines 2>/dev/null | tail -2
        file -b $D/file $D/nothing $D/dir 2>/dev/null; echo
        basename $D/file; dirname $D/file
    """, inside=inside)


def test_dd_writes_in_the_middle_and_keeps_the_rest(lab):
    same(lab, r"""
        printf XX | dd of=$D/file bs=1 seek=3 conv=notrunc status=none; cat $D/file
        printf YY | dd of=$D/file bs=1 seek=20 conv=notrunc status=none; od -c $D/file
        dd if=$D/dir/sub/numbers of=$D/part bs=1000 skip=2 count=3 status=none; sha256sum <$D/part
        dd if=$D/dir/sub/numbers bs=64k status=none | sha256sum
        dd if=$D/dir/sub/numbers of=$D/copy bs=4k conv=fsync status=none; cmp $D/copy $D/dir/sub/numbers
        dd if=/dev/zero of=$D/zeros bs=1M count=3 status=none; stat -c %s $D/zeros
        dd if=$D/file of=$D/file2 oflag=append conv=notrunc status=none; cat $D/file2
        printf end | dd of=$D/file oflag=append conv=notrunc status=none; tail -c 6 $D/file
        dd if=$D/file of=$D/hole bs=1 seek=1M status=none; stat -c '%s' $D/hole
        dd if=$D/zeros of=$D/sparse conv=sparse bs=64k status=none; stat -c '%s %b' $D/sparse
        dd if=$D/dir/sub/numbers of=$D/swapped conv=swab status=none; sha256sum <$D/swapped
        dd if=$D/missing status=none
        dd if=$D/dir of=$D/x status=none
        dd if=$D/file of=$D/excl conv=excl status=none; dd if=$D/file of=$D/excl conv=excl status=none
        dd if=$D/file iflag=nofollow status=none >/dev/null; dd if=$D/link iflag=nofollow status=none
        dd if=$D/file ibs=5 obs=7 count=2 status=none
        dd if=$D/dir/lines of=$L/out bs=3 status=none; cat $L/out
    """)


def test_a_fifo_carries_bytes_both_ways(lab):
    lab.exec("b", ["sh", "-c", "rm -f /tmp/fifo; mkfifo /tmp/fifo"], plain=True)
    assert lab.exec("a", ["stat", "-c", "%F", "/net/b/tmp/fifo"]).stdout == "fifo\n"

    writer = lab.start("a", ["sh", "-c", "seq 1 50000 > /net/b/tmp/fifo"])
    read = lab.exec("b", ["sha256sum", "/tmp/fifo"], plain=True, timeout=20)
    assert writer.wait(timeout=20).status == 0

    reader = lab.start("a", ["sha256sum", "/net/b/tmp/fifo"])
    assert lab.exec("b", ["sh", "-c", "seq 1 50000 > /tmp/fifo"], plain=True, timeout=20).status == 0
    assert reader.wait(timeout=20).stdout.split()[0] == read.stdout.split()[0]


def test_mkfifo_from_a_makes_a_fifo_that_both_ends_can_use_from_a(lab):
    result = lab.exec("a", ["bash", "-c", r"""
        f=/net/b/tmp/made; rm -f $f; mkfifo -m 640 $f || exit
        stat -c '%F %a' $f; mkfifo $f
        (seq 1 1000 >$f) & cat $f | sha256sum; wait; rm $f
    """], timeout=20)
    wanted = lab.exec("b", ["sh", "-c", "seq 1 1000 | sha256sum"], plain=True).stdout
    assert result.stdout == "fifo 640\n" + wanted
    assert result.stderr == "mkfifo: cannot create fifo '/net/b/tmp/made': File exists\n"


LISTING = r"find . -printf '%P|%y|%m|%U|%G|%n|%T@|%l|' \( -type d -printf '-\n' -o -printf '%s\n' \) | sort"


@pytest.mark.slow
def test_cp_a_of_a_documentation_tree_to_b_and_back_is_identical(lab):
    """Names, kinds, modes, owners, link counts, times in ns, symlinks, contents."""
    result = lab.exec("a", ["bash", "-ec", r"""
        rm -rf /net/b/tmp/doc /tmp/back /tmp/doc
        mkdir /tmp/doc; cp -a /usr/share/doc/[a-l]* /tmp/doc/
        ln /tmp/doc/bash/copyright /tmp/doc/bash/hardlink; touch -h -d @1.000000001 /tmp/doc/bash/copyright
        cp -a /tmp/doc /net/b/tmp/doc
        cp -a /net/b/tmp/doc /tmp/back
    """], timeout=90)
    assert result.status == 0, result.stderr

    def listing(node, folder):
        script = f"cd {folder} && {LISTING}; find . -type f -print0 | sort -z | xargs -0 sha256sum"
        return lab.exec(node, ["bash", "-c", script], plain=True, timeout=60).stdout

    there = listing("a", "/tmp/doc")
    assert there.count("\n") > 500
    assert listing("b", "/tmp/doc") == there, "on b"
    assert listing("a", "/tmp/back") == there, "back on a"
    lab.exec("a", ["rm", "-rf", "/net/b/tmp/doc", "/tmp/back", "/tmp/doc"], timeout=60)
