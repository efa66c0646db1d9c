<?php
// Publishes numbered messages: php publisher.php CHANNEL COUNT
[, $channel, $count] = $argv;
$url = parse_url(getenv('STORE_URL') ?: 'redis://127.0.0.1:6379/0');

$redis = new Redis();
$redis->connect($url['host'], $url['port']);
$heardBy = [];
for ($i = 1; $i <= (int)$count; $i++) $heardBy[] = $redis->publish($channel, (string)$i);
echo json_encode($heardBy), "\n";
