# Drives a server through Perl's Redis module, one topic per run: perl perl_redis_client.pl TOPIC HOST PORT PASSWORD
use strict;
use warnings;
use Redis;

my ($topic, $host, $port, $password) = @ARGV;

sub open_client {
    my %login = length $password ? (password => $password) : ();
    my $redis = Redis->new(server => "$host:$port", name => 'perl-client', reconnect => 0, read_timeout => 10, %login);
    $redis->select(3);
    return $redis;
}

sub expect {
    my ($wanted, $found) = map { ref $_ ? join('|', map { $_ // 'undef' } @$_) : $_ // 'undef' } @_;
    die sprintf("expected %s, found %s at line %d\n", $wanted, $found, (caller)[2]) if $wanted ne $found;
}

sub expect_error {
    my ($pattern, $code) = @_;
    eval { $code->(); 1 } and die "expected an error like $pattern\n";
    die "expected an error like $pattern, found $@\n" if $@ !~ $pattern;
}

my %topics = (
    connect => sub {
        my $redis = shift;
        expect 'PONG', $redis->ping;
        expect 'perl-client', $redis->client_getname;
        expect 'OK', $redis->set('k', 'v');
        expect 'v', $redis->get('k');
        expect undef, $redis->get('absent');
        expect 1, $redis->dbsize;
        $redis->select(0);
        expect undef, $redis->get('k');
        expect 1, exists $redis->info->{redis_version} ? 1 : 0;
    },
    pipeline => sub {
        my $redis = shift;
        my (@found, $sum, @wanted);
        $redis->incrby('n', $_, sub { push @found, shift }) for 0 .. 999;
        $redis->wait_all_responses;
        push @wanted, $sum += $_ for 0 .. 999;
        expect \@wanted, \@found;
    },
    transaction => sub {
        my $redis = shift;
        $redis->multi;
        $redis->set('a', 1);
        $redis->incr('a');
        expect ['OK', 2], [$redis->exec];
        my $other = open_client();
        $redis->watch('a');
        $other->set('a', 5);
        $redis->multi;
        $redis->set('a', 6);
        expect 0, scalar(grep { defined } $redis->exec);
        $redis->multi;
        $redis->set('a', 7);
        expect 'OK', $redis->discard;
        expect 5, $redis->get('a');
    },
    binary => sub {
        my $redis = shift;
        my $all = join '', map { chr } 0 .. 255;
        $redis->set($all, $all);
        expect $all, $redis->get($all);
        $redis->hset('h', $all, $all);
        expect $all, $redis->hget('h', $all);
        my $large = "a\0\r\n" x (1024 * 1024 + 1);
        $redis->set('large', $large);
        expect $large, $redis->get('large');
        $redis->set('empty', '');
        expect '', $redis->get('empty');
    },
    errors => sub {
        my $redis = shift;
        $redis->hset('h', 'f', 'v');
        expect_error qr/WRONGTYPE /, sub { $redis->get('h') };
        expect_error qr/unknown command 'NOSUCH'/i, sub { $redis->nosuch('x') };
        expect_error qr/wrong number of arguments for 'get' command/, sub { $redis->get };
        my @found;
        my $keep = sub { push @found, defined $_[1] ? 'error' : $_[0] };
        $redis->set('a', 1, $keep);
        $redis->get('h', $keep);
        $redis->get('a', $keep);
        $redis->wait_all_responses;
        expect ['OK', 'error', '1'], \@found;
        expect 'PONG', $redis->ping;
    },
);

my $redis = open_client();
$topics{$topic}->($redis);
$redis->quit;
print "done\n";
