# SPDX-License-Identifier: Apache-2.0
"""gcc, ld, ar and make build a tree that lies on another node."""
import pytest

from side_by_side import same

pytestmark = pytest.mark.slow

PROJECT = r"""
mkdir -p $D/p/src $D/p/include && cd $D/p
for i in 1 2 3 4 5 6 7 8; do
  printf '#include "part.h"\nint part%d(void) { return %d; }\n' $i $i >src/part$i.c
done
{ echo '#pragma once'; for i in 1 2 3 4 5 6 7 8; do echo "int part$i(void);"; done; } >include/part.h
cat >src/main.c <<'end'
#include <stdio.h>
#include "part.h"
int main(int argc, char** argv) {
  (void)argv;
  printf("%d %d %s\n", part1() + part2() + part3() + part4() + part5() + part6() + part7() + part8(), argc, __FILE__);
  return argc;
}
end
cat >Makefile <<'end'
.RECIPEPREFIX = >
CFLAGS = -O1 -g -Wall -MMD -MP -Iinclude
objects = $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))
program: $(objects)
> $(CC) -o $@ $^
libpart.a: $(filter out/part%,$(objects))
> $(AR) rcsD $@ $^
libpart.so: $(wildcard src/part*.c)
> $(CC) -shared -fPIC -Iinclude -o $@ $^
out/%.o: src/%.c | out
> $(CC) $(CFLAGS) -c -o $@ $<
out:
> mkdir -p $@
again: ; @$(MAKE) --no-print-directory -C $(CURDIR) program
clean: ; rm -rf out program *.a *.so
.PHONY: clean again
-include $(wildcard out/*.d)
end
"""


def test_make_builds_in_parallel_and_only_what_is_out_of_date(lab):
    outcome = same(lab, [r"""
        cd $D/p; make -s -j4 program; echo $?; ls . out; cp program $L/; $L/program a; make program; \
            touch src/part3.c; make program
        echo 'extern int late;' >>include/part.h; make -s -j4 again | wc -l; make again; make -s clean; ls; \
            make -C $D/p -s -j4 program libpart.a libpart.so; ls
        nm -g libpart.a | grep -c ' T '; objdump -f program | grep architecture; readelf -h libpart.so | grep Type; \
            size program | wc -l; strip program; strings program | grep -c part
        make missing; make -f $D/none; echo 'int main(void) { return oops; }' >src/part1.c; make -s program 2>&1 | \
            head -4; make -n clean; make -k -j4 libpart.a libpart.so >/dev/null 2>&1; echo $?
        """], more=PROJECT, compare_trees=False)[0]
    assert "36 2 src/main.c\n" in outcome.out


@pytest.mark.slow
def test_the_compiler_reads_and_writes_everywhere(lab):
    same(lab, r"""
        cd $D/p; gcc -Iinclude -c src/part1.c -o $L/part1.o; gcc -Iinclude -c src/part[2-8].c src/main.c; \
            gcc -o $L/prog $L/part1.o *.o; $L/prog; rm *.o
        cd $D/p; gcc -pipe -save-temps=obj -Iinclude -c src/part1.c -o part1.o; ls part1*; \
            gcc -E -P -Iinclude src/part1.c; gcc -S -O2 -Iinclude -o - src/part2.c | grep -c part2
        gcc -I$D/p/include $D/p/src/*.c -o $D/p/all; cp $D/p/all $L/all; $L/all x y; \
            gcc -I$D/p/include -M $D/p/src/part1.c
        gcc -I$D/p/include -fPIC -shared $D/p/src/part*.c -o $D/p/libpart.so; \
            gcc -I$D/p/include $D/p/src/main.c -L$D/p -lpart -o $L/dyn; cp $D/p/libpart.so $L/; \
            LD_LIBRARY_PATH=$L $L/dyn
        echo 'int main(void) { return 7; }' | gcc -x c - -o $D/seven; cp $D/seven $L/seven; $L/seven; echo $?; \
            gcc $D/missing.c; gcc -o $D/missing/x $D/p/src/part1.c 2>&1 | head -1
        cd $D/p; gcc -flto -O2 -Iinclude -c src/*.c; gcc -flto -O2 *.o -o lto; cp lto $L/; $L/lto; \
            gcc-ar rcs lto.a part*.o; ranlib lto.a; ar t lto.a; objcopy -O binary -j .text lto text.bin; \
            test -s text.bin; echo $?
        cd $D/p; printf '#include <string>\n#include <iostream>\n'\
            'int main() { std::cout << std::string(3, 120) << "\\n"; }\n' >x.cc; \
            g++ x.cc -o x; cp x $L/; $L/x; ld -r -o r.o x 2>/dev/null; as -o e.o /dev/null; nm e.o
    """, more=PROJECT, compare_trees=False)


def test_what_was_built_runs_from_there(lab):
    same(lab, r"""
        cd $D/p; make -s -j4 program; ./program; echo $?; $D/p/program a b; echo $?; ../p/program | cat
        cd $D/p; printf 'check: program\n\t./program x >result\n\tcat result\n' >check.mk; make -s -f check.mk; \
            printf '#!/bin/sh\necho "$0" "$@"\n' >script; chmod +x script; ./script 1 2; $D/p/script
        cd $D/p; printf '#include "part.h"\n#include <unistd.h>\n'\
            'int main(void) { execl("./program", "program", "e", (char*)0); return 1; }\n' >run.c; \
            gcc -Iinclude -o run run.c; ./run; (exec ./run); sh -c ./run; find . -name run -exec {} \;
    """, more=PROJECT, compare_trees=False)
