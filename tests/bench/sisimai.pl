#!/usr/bin/perl
# Debian's Sisimai over files, in one process, as `postern dsn` is: each file is read and understood, and a line written for
# each recipient. Arguments: how often; a file with the names of the files, one a line.
use strict;
use warnings;
use Sisimai;

my ($times, $list) = @ARGV;
open(my $names, '<', $list) or die "$list: $!\n";
chomp(my @files = <$names>);
for (1 .. $times) {
    for my $file (@files) {
        my $found = Sisimai->make($file, 'delivered' => 1) || [];
        print join("\t", $file, $_->reason, $_->recipient->address, $_->deliverystatus), "\n" for @$found;
    }
}
