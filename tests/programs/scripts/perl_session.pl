# SPDX-License-Identifier: MIT
# perl: forks, pipes, threads, signals, sockets, regular expressions, sorting, sprintf, tied files.
use strict;
use warnings;
use Config;
use POSIX ":sys_wait_h";
use Socket;
use IPC::Open3;
$| = 1;

my %count;
for my $i (1 .. 200000) { $count{ "k" . ($i * 7919 % 5003) }++ }
print join(",", (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 4]), "\n";
my $text = join " ", map { "word$_" } 1 .. 50000;
my $n = () = $text =~ /(\w+?)(\d)\2/g;
print "matches $n\n";

my @pids;
for my $i (1 .. 8) {
	my $pid = fork // die;
	if (!$pid) { my @a = map { $_ x 10 } 1 .. 1000 * $i; exit(scalar(@a) / 1000) }
	push @pids, $pid;
}
my @codes;
for (@pids) { waitpid $_, 0; push @codes, $? >> 8 }
print "codes @codes\n";

pipe my $r, my $w;
if (!fork) { close $r; print $w "line $_\n" for 1 .. 5000; exit 0 }
close $w;
my $lines = () = <$r>;
wait;
print "lines $lines\n";
print "ticks ", `echo from a shell; exit 3`, $? >> 8, "\n";
open my $sort, "|-", "sort -n | tail -1" or die;
print $sort "$_\n" for reverse 1 .. 3000;
close $sort;
my $pid = open3(my $in, my $out, undef, "tr", "a-z", "A-Z");
print $in "shout\n"; close $in;
print scalar <$out>;
waitpid $pid, 0;

socketpair(my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
if (!fork) { close $near; while (<$far>) { syswrite $far, uc } exit 0 }
close $far;
syswrite $near, "over a socket\n";
print scalar <$near>;
close $near;
wait;

my $hits = 0;
$SIG{ALRM} = sub { $hits++; my @waste = (1) x 1000 };
for (1 .. 5) { alarm 0; kill ALRM => $$; select undef, undef, undef, 0.01 }
print "signals $hits\n";
if (!fork) { kill KILL => $$; sleep 10 }
wait;
print "killed ", $? & 127, "\n";

if ($Config{useithreads}) {
	require threads;
	require Thread::Queue;
	my $queue = Thread::Queue->new;
	my @threads = map { my $id = $_; threads->create(sub { $queue->enqueue($_ * $id) for 1 .. 500; return $id }) } 1 .. 4;
	my $sum = 0;
	$sum += $_->join for @threads;
	my $total = 0;
	while (defined(my $x = $queue->dequeue_nb)) { $total += $x }
	print "threads $sum $total\n";
}
eval { die { code => 42 } };
print "died $@->{code}\n";
opendir my $dir, "/proc/self/fd" or die;
print "descriptors ", join(" ", sort { $a <=> $b } grep { /\d/ } readdir $dir), "\n";
exec "echo", "the end";
