# SPDX-License-Identifier: Apache-2.0
"""shutil, tempfile, glob, pathlib, zipfile, tarfile and their like, on a tree of another node."""
import bz2
import configparser
import csv
import dbm.dumb
import filecmp
import fileinput
import glob
import gzip
import hashlib
import io
import json
import linecache
import lzma
import mailbox
import mmap
import os
import pathlib
import pickle
import runpy
import shelve
import shutil
import stat
import sys
import tarfile
import tempfile
import zipfile

from say import D, here, say

P = pathlib.Path(D)
LOCAL = pathlib.Path(tempfile.mkdtemp())


def tree(top):
    top = pathlib.Path(top)
    return sorted((str(one.relative_to(top)), stat.filemode(one.lstat().st_mode), one.is_file() and one.stat().st_size)
                  for one in top.rglob("*"))


# pathlib
say("exists", lambda: [(P / name).exists() for name in ("file", "dangling", "missing", "dirlink/lines")])
say("kinds", lambda: [(P / "link").is_symlink(), (P / "dir").is_dir(), (P / "file").is_mount(), P.is_mount(),
    P.is_socket()])
say("resolve", lambda: here(str((P / "dirlink/../link").resolve())))
say("missing", lambda: (P / "missing").resolve(strict=True))
say("owner", lambda: (P / "file").owner() + (P / "file").group())
say("text", lambda: ((P / "t").write_text("grüße\n"), (P / "t").read_text(), (P / "t").write_bytes(b"\0"),
    (P / "t").read_bytes()))
say("touch", lambda: ((P / "touched").touch(0o640), (P / "touched").touch(exist_ok=False)))
say("glob", lambda: sorted(here(str(one)) for one in P.glob("**/*e*")))
say("mkdir", lambda: (P / "m/n").mkdir(parents=True))
say("again", lambda: (P / "m/n").mkdir())
say("links", lambda: ((P / "m/s").symlink_to("n"), (P / "m/s").readlink(), (P / "m/h").hardlink_to(P / "file"),
    (P / "m/h").samefile(P / "file")))
say("rename", lambda: here(str((P / "m/h").rename(P / "m/h2"))))
say("unlink", lambda: ((P / "m/h2").unlink(), (P / "m/h2").unlink(missing_ok=True), (P / "m").rmdir()))
say("home", lambda: here(str(pathlib.Path(D, "..", "d").absolute())))

# glob
for pattern in ("*", "*/*", "**/*s", "[df]i[lr]*", "dir/*/num*", "?ile", "missing/*", ".*"):
    say(pattern, lambda: sorted(here(one) for one in glob.glob(D + "/" + pattern,
        recursive=True)))  # pylint: disable=W0640
say("root_dir", lambda: sorted(glob.glob("*/*", root_dir=D)))
descriptor = os.open(D, os.O_RDONLY)
say("dir_fd", lambda: sorted(glob.glob("**", dir_fd=descriptor, recursive=True)))

# shutil
say("copytree", lambda: (shutil.copytree(P, LOCAL / "t", symlinks=True), tree(LOCAL / "t"))[1])
say("back", lambda: (shutil.copytree(LOCAL / "t", P / "t2", symlinks=True), tree(P / "t2"))[1])
say("there", lambda: (shutil.copytree(P / "dir", P / "t3", ignore=shutil.ignore_patterns("odd*")), tree(P / "t3"))[1])
say("exists", lambda: shutil.copytree(P / "dir", P / "t3"))
say("merge", lambda: here(str(shutil.copytree(P / "t2", P / "t3", symlinks=True, dirs_exist_ok=True))))
say("merged", lambda: tree(P / "t3"))
say("copy2", lambda: (shutil.copy2(P / "dir/lines", P / "l2"), (P / "l2").stat().st_mtime_ns,
    (P / "l2").stat().st_mode))
say("same", lambda: shutil.copyfile(P / "file", P / "hard"))
say("copymode", lambda: (shutil.copymode(P / "dir/lines", P / "t"), oct((P / "t").stat().st_mode)))
say("move there", lambda: (here(str(shutil.move(P / "l2", P / "empty"))), tree(P / "empty")))
say("move out", lambda: (shutil.move(P / "t2", LOCAL / "moved"), tree(LOCAL / "moved"))[1])
say("move in", lambda: (shutil.move(LOCAL / "moved", P / "t2"), (LOCAL / "moved").exists(), tree(P / "t2"))[1:])
say("move into itself", lambda: shutil.move(P / "t2", P / "t2/dir"))
say("rmtree", lambda: (shutil.rmtree(P / "t2"), (P / "t2").exists()))
say("rmtree link", lambda: shutil.rmtree(P / "dirlink"))
say("rmtree missing", lambda: shutil.rmtree(P / "missing"))
shutil.rmtree(P / "missing", ignore_errors=True)
say("rmtree fd", lambda: (shutil.rmtree("t3", dir_fd=descriptor), (P / "t3").exists()) if sys.version_info >= (3,
    11) else None)
say("usage", lambda: shutil.disk_usage(P).total > 0)
say("which", lambda: shutil.which("missing", path=D))
say("chown", lambda: (shutil.chown(P / "t", 1, 2), (P / "t").stat().st_uid))
for kind in ("zip", "tar", "gztar", "bztar", "xztar"):
    say(kind, lambda: here(shutil.make_archive(str(P / "archive"), kind, P,
        "dir")))  # pylint: disable=cell-var-from-loop
for archive in sorted(P.glob("archive.*")):
    shutil.unpack_archive(archive, P / "out")
    say(archive.name, lambda: tree(P / "out"))
    shutil.rmtree(P / "out")
    archive.unlink()

# tempfile
for make in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile):
    with make(dir=D) as stream:
        stream.write(b"x" * 100000)
        stream.seek(99990)
        print(make.__name__, len(stream.read()), sorted(os.listdir(D)) == sorted(os.listdir(descriptor)))
with tempfile.TemporaryDirectory(dir=D) as folder:
    pathlib.Path(folder, "a").mkdir()
    pathlib.Path(folder, "a/b").write_text("c")
say("gone", lambda: os.path.exists(folder))
number, name = tempfile.mkstemp(suffix=".s", prefix="p", dir=D)
say("mkstemp", lambda: (oct(os.fstat(number).st_mode), name.startswith(D + "/p"), os.unlink(name)))
os.environ["TMPDIR"], tempfile.tempdir = D, None
say("gettempdir", lambda: here(tempfile.gettempdir()))

# Archives and compressed files
with zipfile.ZipFile(P / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for one in sorted(P.glob("dir/**/*")):
        archive.write(one, one.relative_to(P))
with zipfile.ZipFile(P / "z.zip", "a") as archive:
    archive.writestr("late", "text")
with zipfile.ZipFile(P / "z.zip") as archive:
    print(archive.testzip(), archive.namelist(), archive.read("late"))
    archive.extractall(P / "z")
say("unzipped", lambda: tree(P / "z"))
say("no zip", lambda: zipfile.is_zipfile(P / "file"))
with tarfile.open(P / "t.tgz", "w:gz") as archive:
    archive.add(P / "dir", "dir")
    archive.add(P / "link", "link")
with tarfile.open(P / "t.tgz") as archive:
    print([(one.name, one.type, one.size) for one in archive])
    archive.extractall(P / "tar")
say("untarred", lambda: tree(P / "tar"))
for module, ending in ((gzip, "gz"), (bz2, "bz2"), (lzma, "xz")):
    with module.open(P / f"c.{ending}", "wt") as stream:
        stream.write("line\n" * 50000)
    with module.open(P / f"c.{ending}", "rt") as stream:
        print(ending, sum(1 for _ in stream))
for name in ("z.zip", "t.tgz", "c.gz"):
    os.unlink(P / name)

# Streams, text files and small data bases
with open(P / "s", "w+b", buffering=0) as raw:
    print(raw.write(b"abc"), raw.seek(1), raw.readall(), raw.truncate(2), raw.tell(), raw.readable())
with open(P / "s", "r+") as stream:
    print(stream.readline(), stream.tell(), stream.write("xyz"), stream.flush(), stream.seek(0), stream.read())
with io.open(P / "w", "w", encoding="utf-16", newline="\r\n") as stream:
    stream.writelines(["ä\n", "b\n"])
say("utf-16", lambda: (P / "w").read_bytes())
say("x", lambda: open(P / "w", "x"))  # pylint: disable=consider-using-with
with open(P / "dir/lines") as stream:
    print([line.strip() for line in stream], stream.read())
with fileinput.input([P / "dir/lines"], inplace=True, backup=".b") as lines:
    for line in lines:
        sys.stdout.write(line.upper())
say("fileinput", lambda: ((P / "dir/lines").read_text(), (P / "dir/lines.b").read_text()))
say("linecache", lambda: linecache.getline(str(P / "dir/lines"), 2))
say("filecmp", lambda: (filecmp.cmp(P / "file", P / "hard", shallow=False), filecmp.dircmp(P / "dir",
    P / "z/dir").diff_files))
with open(P / "dir/sub/numbers", "rb") as stream:
    print(hashlib.file_digest(stream, "sha256").hexdigest())
with open(P / "dir/sub/numbers", "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
    print(len(view), view.find(b"12345\n"), hashlib.sha256(view).hexdigest(), view[100000:100010])
with open(P / "dir/sub/numbers", "r+b") as stream, mmap.mmap(stream.fileno(), 5000, access=mmap.ACCESS_COPY,
    offset=4096) as view:
    view[:3] = b"???"
    print(view[:6], view.size())
say("empty map", lambda: mmap.mmap(os.open(P / "nothing", os.O_RDONLY), 0, access=mmap.ACCESS_READ) if False else None)
with open(P / "csv", "w", newline="") as stream:
    csv.writer(stream).writerows([[1, "a,b"], [2, 'c"d']])
with open(P / "csv", newline="") as stream:
    print(list(csv.reader(stream)))
(P / "json").write_text(json.dumps({"a": [1, None]}))
with open(P / "json") as stream:
    print(json.load(stream))
with open(P / "pickle", "wb") as stream:
    pickle.dump(list(range(10000)), stream)
with open(P / "pickle", "rb") as stream:
    print(sum(pickle.load(stream)))
with dbm.dumb.open(str(P / "db"), "c") as base:
    base["k"] = "v"
with dbm.dumb.open(str(P / "db")) as base:
    print(base["k"])
with shelve.open(str(P / "shelf")) as base:
    base["k"] = {"x": 1}
with shelve.open(str(P / "shelf")) as base:
    print(dict(base))
settings = configparser.ConfigParser()
settings.read_dict({"s": {"k": "v"}})
with open(P / "ini", "w") as stream:
    settings.write(stream)
print(settings.read(P / "ini") and settings["s"]["k"])
box = mailbox.Maildir(P / "mail")
key = box.add("Subject: x\n\nbody\n")
print(len(box), box[key]["Subject"])
box.lock()
shutil.rmtree(P / "mail")
file_box = mailbox.mbox(P / "mbox")
file_box.lock()
file_box.add("Subject: y\n\nbody\n")
file_box.flush()
file_box.unlock()
print(len(mailbox.mbox(P / "mbox")))
os.unlink(P / "mbox")
for one in P.glob("shelf*"):
    one.unlink()

# Programs and packages that lie there
(P / "package").mkdir()
(P / "package/__init__.py").write_text("from . import part\n")
(P / "package/part.py").write_text("VALUE = 42\n")
(P / "package/__main__.py").write_text("print('main', __package__)\n")
sys.path.insert(0, D)
import package  # noqa: E402  pylint: disable=import-error,wrong-import-position

print(package.part.VALUE, here(package.__file__))
runpy.run_module("package")
say("compiled", lambda: __import__("compileall").compile_dir(D + "/package", quiet=1))
os.system(f"cd {D} && python3 -B -m package && python3 -B package")
os.system(f"cd {D} && python3 -B -c 'import package.part as p; print(p.VALUE)'")
with zipfile.ZipFile(P / "app.pyz", "w") as archive:
    archive.writestr("__main__.py", "print('from a zip')")
os.system(f"python3 -B {D}/app.pyz; cd {D} && python3 -B app.pyz; rm app.pyz")
shutil.rmtree(P / "package")
shutil.rmtree(LOCAL)
