<?php
// Hears some channels: php subscriber.php COUNT CHANNEL...
[, $count] = $argv;
$channels = array_slice($argv, 2);
$url = parse_url(getenv('STORE_URL') ?: 'redis://127.0.0.1:6379/0');

$redis = new Redis();
$redis->connect($url['host'], $url['port']);
$redis->setOption(Redis::OPT_READ_TIMEOUT, -1);     // a subscriber waits as long as nobody speaks
$heard = array_fill_keys($channels, []);
$open = count($channels);
try {
    $redis->subscribe($channels, function (Redis $redis, string $channel, string $message) use (&$heard, &$open, $count) {
        $heard[$channel][] = (int)$message;
        if ($message === $count && --$open === 0) $redis->close();
    });
} catch (RedisException $closed) {
    if ($open > 0) throw $closed;       // otherwise closed by us: subscribe() has no other end
}
echo json_encode($heard), "\n";
