# SPDX-License-Identifier: Apache-2.0
"""Both shells of Debian work in another node's directories and with its files as descriptors."""
import pytest

from side_by_side import same

SHELLS = ["bash", "dash"]


@pytest.mark.parametrize("shell", SHELLS)
def test_cd_pwd_and_globbing(lab, shell):
    same(lab, r"""
        cd $D; pwd; ls
        cd $D && cd .. && pwd && ls
        cd $D/dir && cd .. && pwd && echo *
        cd $D/dirlink && pwd && pwd -P && cd .. && pwd
        cd -P $D/dirlink && pwd
        cd $D/dir/sub/../.. && pwd
        cd $D; cd dir; cd -
        cd $D; /bin/pwd; (cd dir; /bin/pwd); /bin/pwd
        cd $D/missing
        cd $D/file
        cd $D/dangling
        cd $D; echo $PWD; cd dir; echo $OLDPWD
        cd $D/dir; echo *; echo */*; echo ../l*; echo [lo]*
        echo $D/*; echo $D/*/l*; echo $D/no*such
        for f in $D/d*/*; do echo "$f"; done
        cd $D; for f in *; do [ -f "$f" ] && echo "f $f"; [ -d "$f" ] && echo "d $f"; [ -L "$f" ] && echo "l $f"; done
        cd $D; test file -ef hard; echo $?; test file -ef nothing; echo $?
        cd $D; test nothing -nt file; echo $?
        [ -e $D/file ]; echo $?; [ -e $D/missing ]; echo $?; [ -x $D/file ]; echo $?; [ -w $D/file ]; echo $?
        cd $D/dir; cat lines ../file ./sub/../lines
        cd $D/dir; sh -c 'pwd; ls; cd sub; pwd'
        cd $D/dir; env -i /bin/ls; env -i /bin/pwd
        cd $D/dir; find . -name lines; find -name sub
        cd $D/dir; ls /etc/hostname; cat lines >$L/lines; cd $L; pwd | sed 's/\..*//'; cat lines
        cd $D/dir; cp lines $L/; cp $L/lines copied; cat copied; rm copied
        cd /; cd $D; cd /tmp; pwd
        CDPATH=$D; cd dir; pwd
        cd ''; echo $?
        cd $D; umask 027; >masked; stat -c %a masked
    """, shell=shell)


@pytest.mark.parametrize("command", [
    "cd $D; mkdir n; cd n; rmdir ../n; ls; pwd",
    "cd $D; mkdir m; cd m; mv ../m ../m2; /bin/pwd; touch here; ls ../m2",
], ids=["removed", "renamed"])
def test_a_working_directory_that_is_renamed_or_removed_meanwhile(lab, command):
    same(lab, [command])


@pytest.mark.parametrize("shell", SHELLS)
def test_redirections_and_descriptors(lab, shell):
    same(lab, r"""
        echo one >$D/new; echo two >>$D/new; cat $D/new
        echo x >$D/missing/y
        echo x >$D/dir
        : >$D/new; wc -c <$D/new
        set -C; echo x >$D/file; echo y >|$D/file; cat $D/file
        exec 3<>$D/rw; echo 0123456789 >&3; cat <&3; exec 3<&-; cat $D/rw
        exec 3<>$D/rw; read -r line <&3; echo "$line"; exec 3>&-
        exec 3<$D/dir/lines; read -r a <&3; read -r b <&3; echo "$a $b"; cat <&3
        exec 4>>$D/log; echo a >&4; (echo b >&4); sh -c 'echo c >&4'; env -i /bin/echo d >&4; exec 4>&-; cat $D/log
        exec 5>$D/shared; for i in 1 2 3; do echo $i >&5; done; (for i in 4 5; do echo $i >&5; done); cat $D/shared
        exec 6<$D/dir/lines; exec 7<&6; read -r a <&6; read -r b <&7; echo "$a $b"
        exec 8<$D/file; exec 8<&-; cat <&8
        while read -r line; do echo "<$line>"; done <$D/dir/lines
        n=0; head -n 500 $D/dir/sub/numbers >$D/500; while read -r line; do n=$((n+1)); done <$D/500; echo $n
        { read -r a; read -r b; } <$D/file; echo "$b $a"
        x=$(cat $D/file); echo "$x"
        cat /dev/stdin <$D/file
        cat /dev/fd/3 3<$D/file
        cat /proc/self/fd/4 4<$D/dir/lines
        echo out >/dev/stdout; echo err >/dev/stderr
        sh -c 'echo through >/dev/stdout' >$D/through; cat $D/through
        sh -c 'echo appended >>/dev/fd/1' >>$D/through; cat $D/through
        (echo o; echo e >&2) >$D/both 2>&1; cat $D/both
        ls $D/missing 2>$D/err; cat $D/err; rm $D/err
        ls $D/file $D/missing >$D/o 2>$D/e; cat $D/o $D/e; rm $D/o $D/e
        cat <$D/file | tr a-z A-Z | cat >$D/piped; cat $D/piped
        cat $D/missing <$D/file | wc -l
        yes | head -n 1000 >$D/yes; wc -l <$D/yes
        printf '%s\n' a b >$D/p; printf c >>$D/p; od -c $D/p
        . $D/script; echo $sourced
        sh $D/script; sh <$D/script; sh -c "$(cat $D/script)"
        (sleep 0.05; echo late) >$D/bg & wait; cat $D/bg
        echo old >$D/trunc; exec 3>$D/trunc; echo n >&3; cat $D/trunc
        trap 'echo bye >>$D/trap' EXIT; exit 3
        read -r line <$D/nothing; echo "$? <$line>"
        cat $D/trap
        echo $0 >$D/file; wc -l $D/file >&2
    """, shell=shell, more=r"printf 'sourced=yes\necho in script\n' >$D/script" "\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_here_documents(lab, shell):
    same(lab, [
        "cat <<EOF >$D/here\none $((1+1)) $(head -n 1 $D/file)\ntwo\nEOF\ncat $D/here",
        "cat <<'EOF' >>$D/file\n$D\nEOF\nwc -l <$D/file",
        "cd $D; sort <<-EOF >sorted\n\tb\n\ta\n\tEOF\ncat sorted",
        "cat <<EOF | tee $D/big | sha256sum\n$(cat $D/dir/sub/numbers)\nEOF\nwc -c <$D/big",
        "cat - $D/file <<EOF\nfrom here\nEOF",
    ], shell=shell)


def test_process_substitution_and_other_bash_redirections(lab):
    same(lab, r"""
        cat <(cat $D/file) <(sort $D/dir/lines)
        diff <(sort $D/dir/lines) <(sort -r $D/dir/lines)
        cat $D/file > >(cat >$D/subst); sleep 0.3; cat $D/subst
        tee >(wc -l >$D/count) <$D/dir/lines >/dev/null; sleep 0.3; cat $D/count
        x=$(<$D/file); echo "$x"
        mapfile -t lines <$D/dir/lines; echo "${#lines[@]} ${lines[1]}"
        readarray -t -n 2 lines <$D/dir/sub/numbers; echo "${lines[*]}"
        echo both &>$D/both; cat $D/both; echo more &>>$D/both; cat $D/both
        cat <<<"here string" >$D/here; cat $D/here
        exec {fd}<$D/file; read -r line <&$fd; echo "$line"; exec {fd}<&-
        coproc cat; echo x >&${COPROC[1]}; read -r y <&${COPROC[0]}; echo $y >$D/co; cat $D/co
        pushd $D >/dev/null; pushd dir >/dev/null; dirs -l | tr ' ' '\n' | sed 's,^/net/b,,'; popd >/dev/null; pwd
        shopt -s globstar; cd $D; echo **/*s
        shopt -s nullglob dotglob; touch $D/.hidden; echo $D/.h* $D/*nosuch
        cd $D; compgen -f d | sort
        [[ $D/file -ef $D/hard ]] && echo same
        cd $D; printf '%s\n' {a,b}; ls -d {file,link}
        source <(cat $D/script); echo $sourced
        set -o pipefail; cat $D/missing | cat; echo $?
        select x in a; do echo $x; break; done <$D/one 2>/dev/null
        cat $D/file | while read -r l; do echo "[$l]" >>$D/loop; done; cat $D/loop
        bash -c 'read -r a; read -r b <&3; echo "$a $b"' <$D/file 3<$D/dir/lines
        bash --norc -c 'cd $D; exec bash -c pwd'
        ulimit -n 64; for i in {1..40}; do exec {x}<$D/file || echo no; done; echo $i
    """, more=r"printf 'sourced=yes\n' >$D/script; echo 1 >$D/one" "\n")


def test_cd_walks_between_nodes_and_the_list_of_nodes(lab):
    for shell in SHELLS:
        result = lab.exec("a", [shell, "-c", r"""
            cd /net/b/etc; pwd; cd ..; pwd; cd ..; pwd; ls; cd ..; pwd
            cd /net; cd b/etc; pwd; cd ../../a/etc; pwd; cat hostname; cd /net/b/../b/etc; cat hostname; cd -P .; pwd
            cd /net/b/usr/share/..; pwd; cd -P ..; pwd; cd; cd /net/b~loadbalance/etc; pwd; cat hostname
        """], env={"HOME": "/"})
        assert result.stderr == ""
        assert result.stdout.split() == [
            "/net/b/etc", "/net/b", "/net", "a", "b", "/",
            "/net/b/etc", "/net/a/etc", "a", "b", "/net/b/etc",
            "/net/b/usr", "/net/b", "/net/b~loadbalance/etc", "b"], shell


def test_an_interactive_shell_can_be_used(lab):
    """A terminal on a, a working directory on b: job control, completion of paths, history of none."""
    result = lab.exec("a", ["script", "-qec", "bash --norc --noprofile -i", "/dev/null"], timeout=20,
                      input="PS1='> '\ncd /net/b/etc\npwd\ncat hostname\ntty >/dev/null && echo a tty\nexit 5\n")
    assert result.status == 5
    lines = [line.strip() for line in result.stdout.splitlines()]
    assert "/net/b/etc" in lines and "b" in lines and "a tty" in lines


@pytest.mark.parametrize("command", ["head -c 3", "cat", "tail -c 3"])
def test_a_static_program_with_a_remote_descriptor_gets_an_error_and_never_hangs(lab, command):
    if lab.exec("a", ["sh", "-c", "command -v busybox && ! ldd $(command -v busybox)"], plain=True).status != 0:
        pytest.skip("no static busybox")
    result = lab.exec("a", ["sh", "-c", f"busybox {command} </net/b/etc/hostname"], timeout=10)
    assert (result.status != 0 and result.stderr) or result.stdout in ("b\n", "b\n"[-3:])


def test_what_a_static_program_writes_arrives_before_the_next_call(lab):
    if lab.exec("a", ["sh", "-c", "command -v busybox && ! ldd $(command -v busybox)"], plain=True).status != 0:
        pytest.skip("no static busybox")
    result = lab.exec("a", ["sh", "-c", r"""
        f=/net/b/tmp/stray; rm -f $f
        exec 3>$f; echo one >&3; busybox echo two >&3; echo three >&3; busybox seq 1 20000 >&3; echo four >&3
        head -n 3 $f; tail -n 1 $f; wc -l <$f; busybox echo 1 >$f; cat $f
    """], timeout=20)
    assert result.stdout.split() == ["one", "two", "three", "four", "20004", "1"]
    # Whatever piece of them the agent has taken so far.
    result = lab.exec("a", r"""
        f=/net/b/tmp/stray
        for i in $(seq 20); do rm -f $f; exec 3>$f; busybox seq 1 20000 >&3; echo four >&3; tail -n 1 $f; done | uniq -c
    """, timeout=60)
    assert result.stdout.split() == ["20", "four"]
