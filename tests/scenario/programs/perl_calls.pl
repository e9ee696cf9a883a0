# SPDX-License-Identifier: Apache-2.0
# What perl's file functions and modules answer; see say.py.
use strict; use warnings;
use Fcntl qw(:flock :seek :mode O_RDWR O_CREAT O_EXCL O_RDONLY O_WRONLY O_APPEND F_GETFL);
use File::Basename; use File::Copy; use File::Find; use File::Path qw(make_path remove_tree); use File::Temp;
use File::stat (); use Cwd qw(getcwd abs_path realpath); use IPC::Open3; use IO::File; use POSIX ();
$| = 1;
my $buffer;
my $D = $ENV{D};
sub here { my $text = join ' ', map { defined $_ ? $_ : 'undef' } @_; $text =~ s{/net/b/}{/}g; return $text }
sub say_ { print here(@_), "\n" }
sub try { my ($name, $value) = @_; say_($name, $value ? 'ok' : "$!") }
sub slurp { open my $in, '<', $_[0] or return "$!"; local $/; my $all = <$in>; return $all }

open my $f, '<', "$D/file" or die; my @lines = <$f>; say_ scalar(@lines), $lines[1], eof($f), tell($f); close $f;
open $f, '+<', "$D/file"; seek $f, 2, SEEK_SET; print $f 'XY'; say_ 'tell', tell $f; close $f; say_ slurp("$D/file");
open $f, '>>', "$D/file"; print $f "more\n"; close $f; say_ -s "$D/file";
open $f, '>', "$D/made:crlf"; binmode $f, ':crlf'; print $f "a\nb\n"; close $f; say_ -s "$D/made:crlf";
open $f, '>:encoding(UTF-16)', "$D/wide"; print $f "\x{263a}"; close $f; say_ unpack 'H*', slurp("$D/wide");
try 'missing', open($f, '<', "$D/missing"); try 'directory', open($f, '>', "$D/dir"); try 'under', open($f, '<', "$D/file/x");
try 'excl', sysopen($f, "$D/file", O_RDWR | O_CREAT | O_EXCL, 0600); try 'sysopen', sysopen($f, "$D/sys", O_RDWR | O_CREAT, 0604);
say_ syswrite($f, 'abcdef'), sysseek($f, 1, SEEK_SET), sysread($f, $buffer, 3), $buffer, fcntl($f, F_GETFL, 0) & O_APPEND;
truncate $f, 2; say_ -s $f; printf "%o\n", S_IMODE((stat $f)[2]); chmod 0711, $f; printf "%o\n", S_IMODE((stat "$D/sys")[2]);
open my $twin, '+<&', $f; sysseek $twin, 0, SEEK_SET; say_ sysread($f, $buffer, 9), $buffer; close $twin; close $f;
for my $name (qw(file dir link dangling dirlink nothing locked)) {
  my $path = "$D/$name"; no warnings;
  say_ $name, map { $_ ? 1 : 0 } -e $path, -f _, -d _, -l $path, -z $path, -r $path, -w $path, -x $path, -o $path, -p $path, -T $path, -B $path;
}
say_ join ',', map { defined $_ ? $_ : '' } (stat "$D/dir/lines")[2 .. 5, 7, 9]; say_ File::stat::stat("$D/file")->nlink;
say_ readlink "$D/link"; try 'symlink', symlink 'x', "$D/link"; try 'link', link("$D/file", "$D/l2"); say_ ((stat "$D/l2")[3]);
try 'rename', rename("$D/l2", "$D/l3"); try 'rename', rename("$D/l2", "$D/l4"); say_ unlink("$D/l3", "$D/l4"), "$!";
try 'mkdir', mkdir "$D/new", 0750; try 'mkdir', mkdir "$D/new"; try 'rmdir', rmdir "$D/dir"; try 'rmdir', rmdir "$D/new";
say_ utime(5, 1234567890, "$D/file"), (stat "$D/file")[8, 9]; say_ chown(3, 4, "$D/file"), (stat _)[4], chmod(0604, "$D/file", "$D/missing");
opendir my $d, "$D/dir" or die; my @names = sort readdir $d; say_ @names; rewinddir $d; say_ scalar(() = readdir $d); closedir $d;
try 'opendir', opendir($d, "$D/file"); say_ map { basename $_ } sort glob "$D/{f*,l*,[d]ir/*}"; say_ map { basename $_ } sort <$D/n*>;
open $f, '<', "$D/file"; open my $g, '<', "$D/file"; say_ flock($f, LOCK_EX | LOCK_NB), flock($g, LOCK_EX | LOCK_NB) ? 'got' : "$!", flock($f, LOCK_UN), flock($g, LOCK_SH); close $f; close $g;
chdir "$D/dir" or die; say_ getcwd(), abs_path('..'), realpath("$D/link"); say_ slurp('lines'); try 'cd', chdir 'lines'; chdir "$D/dirlink"; say_ POSIX::getcwd();
my @found; find({no_chdir => 1, wanted => sub { push @found, $File::Find::name }}, $D); say_ sort @found;
@found = (); finddepth(sub { push @found, $_ . (-d $_ ? '/' : '') }, "$D/dir"); say_ sort @found;
copy("$D/file", "$D/copied") or say_ "copy $!"; say_ slurp("$D/copied"); move("$D/copied", "$D/empty/"); say_ -e "$D/empty/copied";
move("$D/empty/copied", "/tmp/perl-moved.$$") or say_ "move $!"; say_ slurp("/tmp/perl-moved.$$"); move("/tmp/perl-moved.$$", "$D/returned"); say_ -s "$D/returned";
make_path "$D/a/b/c", {mode => 0701}; say_ -d "$D/a/b/c"; say_ remove_tree("$D/a"); try 'copy', copy("$D/missing", "$D/x");
my $temporary = File::Temp->new(DIR => $D, SUFFIX => '.t'); print $temporary 'text'; $temporary->flush; say_ -s $temporary->filename; undef $temporary;
my $folder = File::Temp->newdir(DIR => $D); mkdir "$folder/in"; undef $folder; say_ map { basename $_ } sort glob "$D/*";
my $pid = open3(my $to, my $from, undef, 'sh', '-c', "cat; cat $D/dir/lines; cat $D/missing"); print $to "asked\n"; close $to; say_ <$from>; waitpid $pid, 0; say_ $? >> 8;
say_ `cat $D/dir/lines`; say_ system('test', '-f', "$D/file"), system("exit \$(wc -l <$D/dir/lines)") >> 8; open $f, '-|', "sort $D/dir/lines"; say_ <$f>; close $f;
open $f, '|-', "cat >$D/piped"; print $f 'through'; close $f; say_ slurp("$D/piped"); open my $saved, '>&', \*STDOUT; open STDOUT, '>', "$D/redirected"; print "to the file\n"; system 'echo and the child'; open STDOUT, '>&', $saved; say_ slurp("$D/redirected");
{ local ($^I, @ARGV) = ('.bak', "$D/dir/lines"); while (<>) { s/a/o/; print } } say_ slurp("$D/dir/lines"), -e "$D/dir/lines.bak";
if (my $child = fork) { waitpid $child, 0; say_ slurp("$D/child") } else { open $f, '>', "$D/child"; print $f 'by the child'; close $f; POSIX::_exit(0) }
do "$D/dir/script.pl" if -e "$D/dir/script.pl"; open $f, '>', "$D/lib.pl"; print $f "sub of_lib { 'required' } 1;\n"; close $f; require "$D/lib.pl"; say_ of_lib();
my $io = IO::File->new("$D/io", 'w+'); $io->print("1\n2\n3\n"); $io->seek(0, 0); $io->getline; say_ $io->getline, $io->opened, $io->fileno > 2, $io->sync; $io->ungetc(65); say_ $io->getc; $io->close;
say_ POSIX::access("$D/file", POSIX::R_OK()), POSIX::mkfifo("$D/fifo", 0600), -p "$D/fifo"; my $fd = POSIX::open("$D/file"); POSIX::lseek($fd, 1, SEEK_SET); POSIX::read($fd, $buffer, 2); say_ $buffer, POSIX::close($fd);
while (<DATA>) { say_ 'data', $_ }
__END__
the rest of the script
