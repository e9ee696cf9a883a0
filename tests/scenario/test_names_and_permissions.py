# SPDX-License-Identifier: Apache-2.0
"""The name space /net, and who may do what in it: names are honest, identities are kept."""
import pytest

from side_by_side import TREE, same, same_program

USER = 1000


def run(lab, script, **how):
    how["env"] = {"LC_ALL": "C", **how.get("env", {})}
    return lab.exec("a", ["bash", "-c", script], **how)


def errors_of(lab, script):
    """The error texts of a script, a line each, without the program's name."""
    result = run(lab, script)
    return [line.rsplit(": ", 1)[1] for line in result.stderr.splitlines()]


def test_net_lists_the_nodes(lab):
    result = run(lab, "ls /net; ls -A /net/; cd /net; echo *; find /net -maxdepth 1 | sort; stat -c '%F' /net /net/b")
    assert result.stderr == ""
    assert result.stdout.split("\n")[:-1] == [
        "a", "b", "a", "b", "a b", "/net", "/net/a", "/net/b", "directory", "directory"]


def test_net_looks_like_a_directory(lab):
    result = run(lab, r"""
        ls -ld /net | cut -c1; ls -la /net | awk 'NF>2 {print substr($1,1,1), $NF}' | sort
        stat -c %n /net/. /net/../net /net//b/; realpath /net/b/../b/etc/..; ls /net/b/../; [ /net -ef /net/b ]
    """)
    assert result.stderr == ""
    assert result.stdout.split("\n")[:-1] == [
        "d", "d .", "d ..", "d a", "d b", "/net/.", "/net/../net", "/net//b/", "/net/b", "a", "b"]
    assert result.status == 1


def test_a_node_that_nobody_knows_is_enoent(lab):
    said = errors_of(lab, "ls /net/nosuch; cat /net/nosuch/etc/passwd; cd /net/nosuch; ls /net/nosuch~exclusive:en0; "
                          "ls /net/nosuch~; touch /net/nosuch/x; stat /net/.hidden")
    assert said == ["No such file or directory"] * 7


def test_a_wrong_policy_or_link_is_einval(lab):
    assert errors_of(lab, "ls /net/b~; ls /net/b~nosuch; ls /net/b~exclusive; ls /net/b~preferred:; "
                          "ls /net/b~preferred:en9; ls /net/b~nosuch:en0") == ["Invalid argument"] * 6


def test_policies_and_links_that_exist_are_accepted(lab):
    for target in ("b~loadbalance", "b~preferred:en0", "b~exclusive:en0"):
        result = run(lab, f"cat /net/{target}/etc/hostname")
        assert (result.stdout, result.stderr) == ("b\n", ""), target


def test_nothing_can_be_made_renamed_or_removed_in_net(lab):
    result = lab.exec("a", ["/usr/bin/python3", "-c", r"""
import errno, os
F = "/net/a/etc/hostname"
for call, *arguments in [(os.mkdir, "/net/x"), (os.open, "/net/x", os.O_CREAT), (os.symlink, "b", "/net/c"),
                         (os.mkfifo, "/net/f"), (os.rename, "/net/b", "/net/c"), (os.rename, F, "/net/h"),
                         (os.rmdir, "/net/b"), (os.unlink, "/net/b"), (os.chmod, "/net", 0o700), (os.utime, "/net"),
                         (os.link, F, "/net/h"), (os.rmdir, "/net")]:
    try: call(*arguments); print(call, "succeeded")
    except OSError as error: print(errno.errorcode[error.errno])
"""])
    # rename and link from a node into /net may also be seen as "across nodes".
    answers = result.stdout.split("\n")[:-1]
    assert len(answers) == 12, result.stderr
    for call, also in ((5, "EXDEV"), (10, "EXDEV"), (11, "EBUSY")):
        assert answers[call] in ("EROFS", also)
        answers[call] = "EROFS"
    assert answers == ["EROFS"] * 12
    assert errors_of(lab, "mkdir /net/x; touch /net/x; echo x >/net/x; cp /etc/hostname /net/h; rmdir /net/b") == [
        "Read-only file system"] * 5
    assert run(lab, "ls /net; cat /net/b/etc/hostname").stdout == "a\nb\nb\n"


def test_files_are_not_directories_and_directories_not_files(lab):
    assert errors_of(lab, "cat /net; cat /net/b; echo >/net/b; ls /net/b/etc/hostname/; cat /net/b/etc/hostname/x") == [
        "Is a directory", "Is a directory", "Is a directory", "Not a directory", "Not a directory"]


def test_the_own_node_is_in_net_too(lab):
    result = run(lab, "cat /net/a/etc/hostname; echo own >/net/a/tmp/own; cat /tmp/own; cd /net/a/tmp; pwd; rm own; "
                      "ls /tmp/own")
    assert result.stdout == "a\nown\n/net/a/tmp\n"
    assert result.stderr == "ls: cannot access '/tmp/own': No such file or directory\n"


def test_dot_dot_leads_out_of_a_node_and_out_of_net(lab):
    result = run(lab, "cd /etc; cat /net/b/../a/etc/hostname /net/b/../../etc/hostname /net/b/etc/../../a/etc/hostname "
                      "/net/../etc/hostname; ls /net/b/..; cat /net/b/tmp/../../../etc/hostname")
    assert result.stderr == ""
    assert result.stdout.split() == ["a", "a", "a", "a", "a", "b", "a"]


# libc's realpath(3). The command of that name follows links by itself and reads an absolute one in its own root.
REALPATH = """/usr/bin/python3 -c 'import ctypes, sys
libc = ctypes.CDLL(None); libc.realpath.restype = ctypes.c_char_p
for name in sys.argv[1:]: print(libc.realpath(name.encode(), None).decode())'"""


def test_symlinks_on_b_are_read_in_the_root_of_b(lab):
    lab.exec("b", """
        rm -rf /tmp/links; mkdir /tmp/links; cd /tmp/links; ln -s /etc/hostname absolute; ln -s loop loop
        ln -s /etc etc
        ln -s ../../etc/hostname relative; ln -s /net/a/etc/hostname back; ln -s /net net
        ln -s ../../../../etc/hostname above
    """, plain=True)
    result = run(lab, "cd /net/b/tmp/links; cat absolute relative back etc/hostname net/a/etc/hostname; cat above; "
                      f"{REALPATH} absolute back net/b/etc; readlink back net; ls net; cat loop")
    assert result.stdout.split() == [
        "b", "b", "a", "b", "a", "b", "/net/b/etc/hostname", "/net/a/etc/hostname", "/net/b/etc",
        "/net/a/etc/hostname", "/net", "a", "b"]
    assert result.stderr == "cat: loop: Too many levels of symbolic links\n"


def test_symlinks_on_a_may_point_into_net(lab):
    result = run(lab, r"""
        cd $(mktemp -d); rm -rf /net/b/tmp/far; mkdir /net/b/tmp/far
        ln -s /net/b/etc/hostname file; ln -s /net/b/tmp/far dir; ln -s dir/new indirect; ln -s /net/b/tmp/far/made made
        cat file; echo one >dir/new; cat /net/b/tmp/far/new; cat indirect; ls dir/; ls -d dir; readlink file
        echo created >made; cat /net/b/tmp/far/made; mv dir/made dir/moved; ls dir/; cp file dir/; cat dir/file
        (cd dir; pwd | grep -c tmp; pwd -P; /bin/pwd -P; cd ..; ls); realpath dir/moved
        find dir/ -name new; find . -name new
        rm -r dir/*; rm dir; ls -d /net/b/tmp/far dir; test -L file && echo link; rm file; cat /net/b/etc/hostname
    """)
    assert result.stdout.split() == [
        "b", "one", "one", "new", "dir", "/net/b/etc/hostname", "created", "moved", "new", "b",
        "1", "/net/b/tmp/far", "/net/b/tmp/far", "dir", "file", "indirect", "made", "/net/b/tmp/far/moved", "dir/new",
        "/net/b/tmp/far", "link", "b"]
    assert result.stderr == "ls: cannot access 'dir': No such file or directory\n"


def test_mapped_names_lead_to_the_other_node_and_back(lab):
    lab.exec("b", ["bash", "-c", "rm -rf /tmp/mapped; mkdir -p /tmp/mapped/d; echo mapped >/tmp/mapped/f"], plain=True)
    environment = {"QNET_MAP": "/srv/data=/net/b/tmp/mapped:/opt/x=/net/b~loadbalance/etc"}
    result = run(lab, r"""
        cat /srv/data/f /opt/x/hostname; ls /srv/data; cd /srv/data/d; pwd; /bin/pwd; realpath ..; cd ..; pwd
        exec 3</srv/data/f; readlink /proc/self/fd/3; echo new >/srv/data/n; mv n d/; ls /srv/data/d; cat /srv/datax
        cat <d/n; sh -c 'pwd; cat f'; rm -r /srv/data/d; ls /srv/data/
    """, env=environment)
    assert result.stderr == "cat: /srv/datax: No such file or directory\n"
    assert result.stdout.split() == ["mapped", "b", "d", "f", "/srv/data/d", "/srv/data/d", "/srv/data", "/srv/data",
                                     "/srv/data/f", "n", "new", "/srv/data", "mapped", "f"]


def test_an_unprivileged_user_is_refused_what_is_root_s(lab):
    result = run(lab, "ls /net/b/root; cat /net/b/etc/shadow; echo x >/net/b/etc/x; mkdir /net/b/x; id -u", user=USER)
    assert result.stdout == f"{USER}\n"
    assert result.stderr.splitlines() == [
        "ls: cannot open directory '/net/b/root': Permission denied",
        "cat: /net/b/etc/shadow: Permission denied",
        "bash: line 1: /net/b/etc/x: Permission denied",
        "mkdir: cannot create directory '/net/b/x': Permission denied"]


def test_what_a_user_makes_belongs_to_that_user(lab):
    run(lab, "rm -rf /net/b/tmp/mine; mkdir /net/b/tmp/mine; touch /net/b/tmp/mine/f; mkfifo /net/b/tmp/mine/p; "
             "ln -s f /net/b/tmp/mine/l", user=USER)
    result = lab.exec("b", ["bash", "-c", "cd /tmp/mine; stat -c '%u %g' . f p l"], plain=True)
    assert result.stdout.split("\n")[:-1] == [f"{USER} {USER}"] * 4
    assert run(lab, "rm -r /net/b/tmp/mine", user=USER).status == 0


PERMISSIONS = TREE + f"""
chmod 1777 $D; chmod 600 $D/file; chown root:{USER} $D/dir; chmod 2775 $D/dir; chmod 444 $D/nothing
mkdir -m 711 $D/through; echo deep >$D/through/deep; chmod 644 $D/through/deep
install -m 640 -g 27 /dev/null $D/sudoers; echo secret >$D/sudoers
install -m 666 /dev/null $D/open; mkdir -m 777 $D/free; echo theirs >$D/free/theirs
"""


@pytest.mark.parametrize("inside", [False, True], ids=["absolute", "from-within"])
def test_permissions_are_those_of_the_owner_s_kernel(lab, inside):
    same(lab, r"""
        cat $D/file
        cat $D/locked/x
        ls $D/locked
        cd $D/locked
        ls $D/through
        cat $D/through/deep
        ls $D/through/missing
        cat $D/sudoers
        echo x >$D/nothing
        echo x >>$D/open; cat $D/open
        echo new >$D/mine; stat -c '%u %g %a' $D/mine
        rm -f $D/file
        rm -f $D/open
        mv $D/open $D/opened
        rm -f $D/free/theirs; ls $D/free
        echo group >$D/dir/new; stat -c '%u %g %a' $D/dir/new
        mkdir $D/dir/newdir; stat -c '%u %g %a' $D/dir/newdir
        chmod 777 $D/open
        chmod 4755 $D/mine; stat -c %a $D/mine
        chown root $D/mine
        chown :27 $D/mine
        chgrp 1000 $D/mine; echo $?
        touch $D/open; echo $?
        touch -d 2001-01-01 $D/open
        touch -d 2001-01-01 $D/mine; stat -c %y $D/mine
        truncate -s 1 $D/nothing
        ln $D/mine $D/mine2; stat -c %h $D/mine2
        ln $D/file $D/file2
        mknod $D/null c 1 3
        mkfifo $D/pipe; stat -c '%F %u' $D/pipe
        test -r $D/file; echo $?; test -w $D/open; echo $?; test -x $D/through; echo $?; test -w $D/nothing; echo $?
        find $D -name deep; find $D/locked
        du -s $D/locked
        cp $D/open $L/o; cp $L/o $D/o; stat -c '%u %g %a' $D/o
        cp -p $D/open $D/kept; stat -c '%u %g %a' $D/kept
        umask 0; touch $D/wide; mkdir $D/widedir; stat -c %a $D/wide $D/widedir
        umask 777; touch $D/narrow; stat -c %a $D/narrow; cat $D/narrow
        rm -rf $D/dir; ls $D/dir
    """, user=USER, tree=PERMISSIONS, inside=inside)


def test_supplementary_groups_count(lab):
    lab.exec("b", ["bash", "-c", "install -m 640 -g 27 /dev/null /tmp/g27; echo group >/tmp/g27"], plain=True)
    groups = "setpriv --reuid 1000 --regid 1000"
    result = run(lab, f"{groups} --groups 27 cat /net/b/tmp/g27; {groups} --clear-groups cat /net/b/tmp/g27; "
                      f"{groups} --groups 5,6,7,27,28 cat /net/b/tmp/g27; "
                      f"setpriv --reuid 1000 --regid 27 --clear-groups cat /net/b/tmp/g27")
    assert result.stdout == "group\n" * 3
    assert result.stderr == "cat: /net/b/tmp/g27: Permission denied\n"


def test_a_program_that_changes_its_user_is_another_caller(lab):
    same_program(lab, "changes_its_user", tree=PERMISSIONS)


def test_a_descriptor_opened_as_root_serves_after_privileges_are_dropped(lab):
    same_program(lab, "privileges_dropped", tree=PERMISSIONS)


def test_special_devices_need_the_right_to_make_them(lab):
    result = run(lab, "cd /net/b/tmp; rm -f null; mknod null c 1 3 && stat -c '%F %t %T' null; rm null")
    assert result.stdout == "character special file 1 3\n"
