#!/usr/bin/perl
# Writes small country databases for tests: make_geo.pl FILE LAYOUT IPVERSION ALIAS NETWORK=CODE…
# LAYOUT: "maxmind" (country.iso_code), "flat" (country_code), "none" (other data alone).
use strict;
use warnings;
use MaxMind::DB::Writer::Tree;

my ($file, $layout, $version, $alias, @networks) = @ARGV;
my %types = (country => 'map', iso_code => 'utf8_string', country_code => 'utf8_string', name => 'utf8_string');
my $tree = MaxMind::DB::Writer::Tree->new(
	ip_version               => $version,
	record_size              => 24,
	database_type            => 'Test-Country',
	languages                => ['en'],
	description              => { en => 'test' },
	alias_ipv6_to_ipv4       => $alias,
	remove_reserved_networks => 0,
	map_key_type_callback    => sub { $types{ $_[0] } },
);
for (@networks) {
	my ($network, $code) = split /=/;
	my %data = $layout eq 'maxmind' ? (country => { iso_code => $code })
		: $layout eq 'flat' ? (country_code => $code) : (name => $code);
	$tree->insert_network($network, \%data);
}
open my $out, '>:raw', $file or die "$file: $!";
$tree->write_tree($out);
close $out or die "$file: $!";
