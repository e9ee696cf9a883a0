# SPDX-License-Identifier: Apache-2.0
"""Archivers, compressors, editors and perl keep what they keep on a local disk: holes, links, ACLs, errors."""
import pytest

from harness import wait_until
from side_by_side import PROGRAMS, TREE, lines_of, same, same_program

pytestmark = pytest.mark.slow

#: A tree with everything that -aHAX and its like have to carry.
RICH = TREE + r"""
setfattr -n user.colour -v blue $D/file
setfattr -n user.empty $D/dir
setfacl -m u:1000:rw,g:33:r $D/dir/lines
setfacl -m d:u:1000:rwx $D/empty
ln $D/dir/lines $D/dir/sub/again
mkfifo $D/dir/fifo
truncate -s 1M $D/dir/holes; printf end >>$D/dir/holes
touch -d '2020-02-02 02:02:02.123456789' $D/dir/old
"""

#: What `$1` and below has, one line an object.
TELL = r"""
tell() { (cd "$1" && find . -type d -printf '%P %y %m %U:%G\n' -o -printf '%P %y %m %U:%G %n %s %l\n' | sort
          find . -type f ! -newermt 2025-01-01 -printf '%P %T@\n' | sort
          find . -print0 | sort -z | xargs -0 getfattr -h -d -m '^user'; find . ! -type l -print0 | sort -z | \
              xargs -0 getfacl -p); }
"""


def same_with(lab, commands, **how):
    __tracebackhide__ = True  # pylint: disable=unused-variable
    return same(lab, [TELL + line for line in lines_of(commands)], tree=RICH, **how)


def test_extended_attributes_are_the_owners(lab):
    same_program(lab, "extended_attributes")


@pytest.mark.parametrize("user", [None, "1000"], ids=["root", "user"])
def test_attributes_and_acls_are_shown_and_changed(lab, user):
    same(lab, r"""
        getfattr --absolute-names -d $D/file; getfattr --absolute-names -R -d $D | sort; \
            getfattr -n user.none $D/file; getfattr -d $D/missing
        setfattr -n user.more -v 'two words' $D/dir/lines; getfattr -n user.more --only-values $D/dir/lines
        setfattr -x user.colour $D/file; getfattr --absolute-names -d $D/file
        setfattr -n trusted.x -v 1 $D/file; getfattr --absolute-names -m - -d $D/file
        setfattr -h -n user.x -v 1 $D/link
        getfacl -p $D/dir/lines $D/empty $D/file
        setfacl -m u:33:r $D/dir/lines; getfacl -pn $D/dir/lines; ls -l $D/dir | tail -n +2
        setfacl -m u:nosuchuser:r $D/dir/lines
        setfacl -m u:33:r $D/missing
        setfacl -R -m g:1000:rwX $D/dir; find $D/dir | sort | xargs -d '\n' getfacl -pc
        setfacl -x u:33 $D/dir/lines; getfacl -pc $D/dir/lines
        setfacl -d -m g::r $D/empty; mkdir $D/empty/child; touch $D/empty/file; getfacl -pc $D/empty/child $D/empty/file
        setfacl -b $D/dir/lines; getfacl -pc $D/dir/lines; stat -c %a $D/dir/lines
        getfacl -R -p $D/dir >$L/saved; setfacl -b -R $D/dir; setfacl --restore=$L/saved; find $D/dir | sort | \
            xargs -d '\n' getfacl -pc
        chacl -l $D/dir; ls -ld --time-style=+ $D/dir
    """, tree=RICH, user=user)


def test_cp_keeps_attributes_and_acls_in_every_direction(lab):
    same_with(lab, r"""
        cp -a $D/. $L/copy; tell $L/copy
        cp -a $L/copy $D/back 2>&1; cp -a $D $L/c2; cp -a $L/c2 $D/back; tell $D/back
        cp -a $D/dir $D/dir2; tell $D/dir2
        cp --preserve=xattr $D/file $D/f2; getfattr -d --absolute-names $D/f2
        cp --preserve=mode $D/dir/lines $D/l2; getfacl -pc $D/l2
        cp --attributes-only --preserve=all $D/dir/lines $D/a2; getfacl -pc $D/a2; stat -c %s $D/a2
        mv $D/dir $L/moved; tell $L/moved; mv $L/moved $D/dir; tell $D/dir
        install -m 604 --preserve-timestamps $D/dir/old $D/installed; stat -c '%a %y' $D/installed
    """)


def test_rsync_mirrors_both_ways_with_links_acls_and_attributes(lab):
    same_with(lab, r"""
        rsync -aHAX $D/ $L/mirror/; tell $L/mirror
        rsync -aHAX $D/ $L/mirror/; rsync -aHAX $L/mirror/ $D/mirror/; tell $D/mirror; rm -r $D/mirror
        rsync -aHAX $D/dir $D/dir2; tell $D/dir2
        rsync -aHAXn --itemize-changes $D/dir/ $D/dir2/dir/
        echo more >>$D/dir/lines; rsync -aHAX -i --no-times $D/dir/ $D/dir2/dir/; rsync -aHAXi $D/dir/ $D/dir2/dir/
        rm $D/dir/old; rsync -aHAXi --delete $D/dir/ $D/dir2/dir/; tell $D/dir2
        rsync -aS $D/dir/holes $D/sparse; stat -c '%s %b' $D/sparse; cmp $D/sparse $D/dir/holes
        rsync -a --inplace $D/dir/sub/numbers $D/dir2/n; sed -i 5s/5/x/ $D/dir/sub/numbers; \
            rsync -ac --inplace --no-whole-file --stats $D/dir/sub/numbers $D/dir2/n | grep 'Matched\|Literal'; \
            cmp $D/dir2/n $D/dir/sub/numbers
        rsync -a --backup --suffix=.b --remove-source-files $D/dir/lines $D/dir2/n; cat $D/dir2/n; ls $D/dir $D/dir2
        rsync -a --files-from=<(printf 'file\ndir/sub\n') $D/ $D/from/; find $D/from | sort
        rsync -a --exclude='n*' --link-dest=$D/dir2/dir $D/dir2/dir/ $D/linked/; find $D/linked -printf '%P %n\n' | sort
        rsync -a $D/missing $D/x 2>&1 | sed 's/ at .*//;s/(code.*//'
    """)


@pytest.mark.slow
def test_archivers_pack_and_unpack(lab):
    same_with(lab, r"""
        cd $D && zip -qry $L/z.zip dir link file; unzip -l $L/z.zip | awk '{print $1, $4}'; mkdir out; \
            unzip -q $L/z.zip -d out; tell out
        cd $D && zip -qry z.zip dir link file && unzip -tq z.zip; mkdir $L/out; unzip -q z.zip -d $L/out; tell $L/out
        cd $D && zip -q z.zip nothing && zip -qd z.zip file && unzip -Z1 z.zip | sort; zip -uq z.zip file; \
            unzip -p z.zip file
        cd $D && unzip -qo z.zip -x 'dir/*'; zip -T z.zip; zip -q none.zip missing; unzip -q missing.zip
        cd $D && tar --acls --xattrs --sparse -cpf t.tar dir file hard; mkdir t; \
            tar --acls --xattrs -xpf t.tar -C t; tell t
        cd $D && tar --acls --xattrs -cJf $L/t.txz dir; mkdir t2; tar --acls --xattrs -xpf $L/t.txz -C t2; tell t2
        cd $D && tar -cf t3.tar -g snapshot dir; touch -d 2030-01-01 dir/lines; tar -cf t4.tar -g snapshot dir; \
            tar -tf t4.tar | sort
        cd $D && find dir | sort | cpio -o -H newc --quiet >c.cpio; mkdir c; cd c; cpio -idm --quiet <../c.cpio; tell .
        cd $D && find dir -depth | cpio -pdm --quiet $D/passed; tell $D/passed
        cd $D && ar qcS l.a file hard; ar t l.a; ar p l.a hard
        cd $D && rm z.zip t.tar t3.tar t4.tar c.cpio snapshot
    """)


@pytest.mark.slow
def test_compressors_read_and_replace(lab):
    same(lab, r"""
        cd $D/dir/sub; xz -k -T0 numbers; xz -l --robot numbers.xz | cut -f2-5; xz -dc numbers.xz | cmp - numbers; \
            xz -t numbers.xz
        cd $D/dir/sub; xz -T0 -f numbers; ls; xz -d numbers.xz; ls -l --time-style=full-iso
        cd $D; bzip2 -k dir/sub/numbers; bzcat dir/sub/numbers.bz2 | cmp - dir/sub/numbers; \
            bunzip2 -f dir/sub/numbers.bz2; bzip2 -t missing
        cd $D; gzip -r dir; find dir | sort; gunzip -r dir; find dir | sort; gzip file; gzip hard
        cd $D; zstd -q -k dir/sub/numbers; zstd -dcq dir/sub/numbers.zst | cmp - dir/sub/numbers; \
            zstd -q --rm dir/lines; zstd -dq dir/lines.zst; stat -c '%a %u %y' dir/lines
        cd $D; zstd -q -T2 --rm file -o file.zst; zstd -lq file.zst >/dev/null; echo $?; zstdcat file.zst
        cd $D; xz -dc <dir/sub/numbers.xz; xzgrep -c 9 file missing; zgrep hello file; zdiff file hard
    """)


def test_editors_edit_and_save(lab):
    same(lab, r"""
        vim -es -u NONE -c '%s/hello/HELLO/' -c wq $D/file; cat $D/file $D/hard; stat -c '%a %u' $D/file; ls -A $D
        vim -es -u NONE -c 'set backup backupskip=' -c 's/a/A/' -c wq $D/dir/lines; cat $D/dir/lines $D/dir/lines~; \
            stat -c '%a %u' $D/dir/lines
        vim -es -u NONE -c 'set backupcopy=no backupskip=' -c '$s/$/!/' -c wq $D/link; readlink $D/link; cat $D/file
        vim -es -u NONE -c 'set undofile undodir='$D/empty -c 's/^/x/' -c wq $D/file; ls -A $D/empty | wc -l
        vim -es -u NONE -c 'call writefile([filereadable(swapname("%")) ? "swap" : "none"], "'$D/said'")' \
            -c 'r '$D/dir/lines -c 'w! '$D/written -c q! $D/file; cat $D/written; cat $D/said
        vim -es -u NONE -c 'split '$D/file -c 'args '$D'/dir/*' -c 'argdo %s/e/E/ge | update' -c qa; cat $D/dir/lines
        vim -es -u NONE -c 'cd '$D/dir -c 'e lines' -c 'w copy' -c q; cat $D/dir/copy; ls -A $D/dir
        vim -es -u NONE -c 'w' -c q $D/new; ls -l --time-style=+ $D/new
        vim -es -u NONE -c '%!sort' -c wq $D/dir/lines; cat $D/dir/lines; \
            vim -es -u NONE -c 'w' -c q! $D/missing/file; echo $?
        printf '1s/.*/first/\na\nsecond\n.\nw\n1,2w %s\nf\nq\n' $D/part | ed $D/file; cat $D/file $D/part
        printf 'w %s/missing/x\nq\n' $D | ed -s $D/file; echo $?; printf 'r !echo hi\nw\nq\n' | ed -s $D/new; cat $D/new
        printf 'define(X,y)include('$D'/file)X' >$D/m; m4 $D/m; m4 -I $D <<<'include(file)'; m4 $D/missing
        diff -u $D/file $D/dir/lines >$D/p; patch $D/file $D/p; cat $D/file; patch -R -b -z .o $D/file <$D/p; \
            ls $D; patch -s $D/dir/lines <$D/p; ls $D/dir
        cd $D; mkdir n; cp -r dir n/; echo x >>n/dir/lines; diff -ruN dir n/dir >p2; patch -p0 <p2; \
            diff -r dir n/dir; echo $?
    """, compare_trees=False)


def test_perl_uses_every_kind_of_file_call(lab):
    outcome = same(lab, [f"perl {PROGRAMS}/perl_calls.pl"])[0]
    assert outcome.status == 0, f"the program itself is wrong: {outcome.err}"


def test_listing_and_searching_tools(lab):
    same(lab, r"""
        ls --color=always $D $D/dir; ls -lR --time-style=+%s $D; ls -lan --time-style=full-iso $D; ls -lS $D/dir; \
            ls -F1 $D
        ls -Z $D 2>&1; ls -lH $D/dirlink; ls -d $D/*/; ls -U $D | sort; ls -s $D/dir; ls -i $D/file $D/hard | \
            awk '{print $1}' | uniq | wc -l
        tree -ap $D; tree -s --du $D/dir; tree -J $D/dir | head -20
        file $D/* $D/dir/*; file -L $D/link; file -i $D/dir/sub/numbers; file $D/missing; file -f <(echo $D/file)
        find $D -newer $D/file | wc -l; find $D -type f -exec wc -c {} \; | sort; \
            find $D -name 'l*' -execdir echo {} \; | sort
        find $D -name '*.x' -o -size +1k -print -o -empty -print | sort; find $D -links 2 -samefile $D/file | sort; \
            find $D -perm /222 -user 1000
        find $D/dir -type f -name 'lin*' -delete -print; ls $D/dir; find $D/dir -depth -delete; ls $D
        find -L $D -type l; find -L $D -xtype l | sort; find $D -printf '%P %Y %f %h\n' | sort; find $D/missing
        find $D -maxdepth 1 -type f -ok rm {} \; </dev/null 2>&1 | tr -d '?' | sort | head -3; \
            find $D -inum $(stat -c %i $D/file) | sort
        du -ab $D | sort -k2; du -s --apparent-size $D; du -h --max-depth=1 $D | sort -k2; du -l $D/missing
        stat $D/file | grep -v 'Access: 2\|Change\|Birth\|Device'; stat -f -c '%T %s' $D; stat $D/missing; \
            stat -L -c '%F %N' $D/link; stat -c '%N' $D/link
        readlink -f $D/link; readlink -e $D/dangling; realpath --relative-to=$D/dir $D/file; \
            realpath -s $D/../d/./file; pathchk $D/file; namei -m $D/dirlink/lines | tail -3
        df $D/file --output=target,fstype | tail -1 | wc -l; df $D/missing; sync $D/file; sync -f $D; \
            mountpoint $D; basename $D/file; dirname $D/file
        test -O $D/file; echo $?; test -G $D/dir/lines; echo $?; test $D/file -nt $D/dir/lines; echo $?; \
            [[ -w $D/locked ]]; echo $?
    """, compare_trees=False)


def test_dd_split_shred_and_their_like(lab):
    same(lab, r"""
        dd if=$D/dir/sub/numbers of=$D/o bs=1000 skip=3 seek=2 count=5 conv=notrunc status=none; sha256sum $D/o
        dd if=$D/dir/sub/numbers of=$D/o bs=4k oflag=append conv=notrunc status=none; wc -c <$D/o; \
            dd if=$D/missing of=$D/x
        dd if=$D/file of=$D/o bs=1 conv=ucase,fsync status=none; cat $D/o; \
            dd if=$D/file of=$D/o oflag=excl conv=excl status=none
        dd if=/dev/zero of=$D/s bs=1 count=0 seek=5M status=none; stat -c '%s %b' $D/s; \
            dd if=$D/file of=$D/s bs=2 seek=1M count=1 conv=nocreat,notrunc status=none; tail -c 3145726 $D/s | \
            head -c 2
        dd if=$D/dir/sub/numbers iflag=fullblock,count_bytes,skip_bytes skip=100 count=20 status=none; \
            dd bs=3 count=2 status=none <$D/file
        dd if=$D/dir/sub/numbers of=$D/dio bs=4096 iflag=nocache oflag=dsync status=none; \
            cmp $D/dio $D/dir/sub/numbers; dd if=$D of=/dev/null 2>&1 | head -1
        split -n 3 $D/dir/sub/numbers $D/n.; wc -c $D/n.*; \
            split -l 7000 --additional-suffix=.t --filter='cat >$FILE' $D/dir/sub/numbers $D/l.; ls $D/l.*; \
            cat $D/l.* | cmp - $D/dir/sub/numbers
        shred -n 2 -z $D/dir/sub/numbers; tr -d '\0' <$D/dir/sub/numbers | wc -c; shred -u $D/dir/sub/numbers; \
            ls $D/dir/sub; shred $D/missing
        seq 30000 | sort -R --random-source=$D/file -T $D/empty -S 50k | \
            sort -n -T $D/empty -S 50k --compress-program=gzip | sha256sum; ls -A $D/empty
        echo 1 | tee -a $D/file $D/new $D/missing/x; cat $D/file $D/new; yes | head -c 3000000 | tee $D/big | \
            tail -c 3 >$D/tail; sha256sum $D/big; cat $D/tail
        truncate -s 3 $D/file; cat $D/file; truncate -s +5 $D/file; wc -c <$D/file; \
            truncate -r $D/dir/lines $D/file; truncate -s %10 $D/file; wc -c <$D/file; truncate -c -s 1 $D/no; \
            truncate -s 1 $D/dir
        fallocate -l 100000 $D/fa; stat -c %s $D/fa; fallocate -p -o 0 -l 50000 $D/fa; fallocate -d $D/fa; \
            cat $D/file | sponge $D/file 2>/dev/null; tac $D/dir/lines | rev
        mktemp -p $D | sed 's/..........$//'; mktemp -d -p $D | sed 's/..........$//'; TMPDIR=$D mktemp | \
            sed 's/..........$//'; rm -r $D/tmp.*; mkfifo $D/f; test -p $D/f; echo $?; mknod $D/n c 1 3; \
            echo x >$D/n; stat -c '%F %t %T' $D/n
        install -D -m 640 -o 1000 -g 33 $D/file $D/q/w/e; stat -c '%a %u %g' $D/q/w/e; \
            install -C -v $D/file $D/q/w/e; install -b -S .o $D/file $D/q/w/e; ls $D/q/w; \
            install -d -m 700 $D/q $D/r; stat -c %a $D/q $D/r; install $D/missing $D/z
        flock $D/file echo locked; flock -n $D/dir echo dir; (flock -n 9 && echo got) 9>>$D/lock; \
            flock -n -E 7 $D/file flock -n -E 7 $D/file true; echo $?; flock -s $D/file flock -s -n $D/file echo shared
    """)


def test_tail_follows_a_file_and_the_one_that_replaces_it(lab):
    """It polls where inotify is not to be had."""
    before = lab.handles("b")
    lab.exec("b", "echo 1 >/tmp/log", plain=True, check=True)
    follower = lab.start("a", "tail -F -n +1 -s 0.05 /net/b/tmp/log 2>/dev/null | head -n 4")
    wait_until(lambda: lab.handles("b") > before, 10, "tail has opened the file")
    lab.exec("b", "echo 2 >>/tmp/log; mv /tmp/log /tmp/log.1; echo 3 >>/tmp/log.1; echo 4 >/tmp/log", plain=True, \
        check=True)
    assert follower.wait(timeout=20).stdout == "1\n2\n3\n4\n"
