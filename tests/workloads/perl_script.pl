# Run by perl_script.sh, which says what it shows.
use strict; use Socket; use IO::Handle; use File::Temp qw(tempdir); use POSIX qw(:sys_wait_h);
$| = 1;
open(my $out, '>', 'words') or die; print $out "$_\n" for reverse 1 .. 500; close $out;
open(my $in, '<', 'words') or die; my @sorted = sort { $a <=> $b } map { s/\n//r } <$in>; close $in;
printf "%d lines, first %s, last %s\n", scalar @sorted, @sorted[0, -1];
socketpair(my $here, my $there, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
my $pid = fork // die;
if (!$pid) { close $here; $there->autoflush(1); print $there "from the child\n"; exit 4 }
close $there; print scalar <$here>; waitpid $pid, 0; print "child: ", $? >> 8, "\n";
open(my $pipe, '-|', 'seq 3') or die; print while <$pipe>; close $pipe;
my $dir = tempdir(CLEANUP => 1, DIR => '.'); print -d $dir ? "made\n" : "not made\n";
opendir(my $d, '.') or die; my @files = sort grep { !/^\./ && -f } readdir $d; print "@files\n";
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 20; }; print $@;
print "done\n"; exit 2;
