<?php
// Drives a server through the php-redis extension, one topic per run: php php_redis_client.php TOPIC HOST PORT PASSWORD
[, $topic, $host, $port, $password] = $argv;

function open(): Redis {
    global $host, $port, $password;
    $redis = new Redis();
    $redis->connect($host, (int)$port, 10.0);
    if ($password !== '') expect(true, $redis->auth($password));
    expect(true, $redis->select(3));
    return $redis;
}

function expect($wanted, $found): void {
    if ($wanted !== $found) throw new Exception('expected ' . json_encode($wanted) . ', found ' . json_encode($found)
        . ' near line ' . debug_backtrace()[0]['line']);
}

function connect(Redis $redis): void {
    expect(true, $redis->ping());
    expect(true, $redis->client('setname', 'php-client'));
    expect('php-client', $redis->client('getname'));
    expect(true, $redis->set('k', 'v'));
    expect('v', $redis->get('k'));
    expect(false, $redis->get('absent'));
    expect(1, $redis->dbSize());
    expect(true, $redis->set('s', 'v', ['nx', 'ex' => 100]));
    expect(false, $redis->set('s', 'v', ['nx', 'ex' => 100]));
    $redis->select(0);
    expect(false, $redis->get('k'));
    expect(true, isset($redis->info()['redis_version']));
}

function pipeline(Redis $redis): void {
    $pipe = $redis->pipeline();
    for ($i = 0; $i < 1000; $i++) $pipe->incrBy('n', $i);
    $sum = 0;
    foreach ($pipe->exec() as $i => $result) expect($sum += $i, $result);
    expect([true, ['f' => 'v']], $redis->pipeline()->hMSet('h', ['f' => 'v'])->hGetAll('h')->exec());
}

function transaction(Redis $redis): void {
    expect([true, 2], $redis->multi()->set('a', 1)->incr('a')->exec());
    $other = open();
    $redis->watch('a');
    $other->set('a', 5);
    expect(false, $redis->multi()->set('a', 6)->exec());
    $redis->watch('a');
    expect([true], $redis->multi()->set('a', 7)->exec());
    $redis->multi()->set('a', 8);
    expect(true, $redis->discard());
    expect('7', $redis->get('a'));
}

function binary(Redis $redis): void {
    $all = implode('', array_map('chr', range(0, 255)));
    $redis->set($all, $all);
    expect(true, $redis->get($all) === $all);
    $redis->hSet('h', $all, $all);
    expect(true, $redis->hGet('h', $all) === $all);
    $large = str_repeat("a\0\r\n", 1024 * 1024 + 1);
    $redis->set('large', $large);
    expect(true, $redis->get('large') === $large);
    $redis->set('empty', '');
    expect('', $redis->get('empty'));
    $cursor = null;
    $seen = [];
    while (($keys = $redis->scan($cursor, 'l*')) !== false) $seen = array_merge($seen, $keys);
    expect(['large'], $seen);
}

function errors(Redis $redis): void {
    $redis->hSet('h', 'f', 'v');
    expect(false, $redis->get('h'));
    expect(0, strpos($redis->getLastError(), 'WRONGTYPE '));
    $redis->clearLastError();
    expect(false, $redis->rawCommand('NOSUCH', 'x'));
    expect(0, strpos($redis->getLastError(), "ERR unknown command 'NOSUCH'"));
    expect(false, $redis->rawCommand('GET'));
    expect("ERR wrong number of arguments for 'get' command", $redis->getLastError());
    expect([true, false, '1'], $redis->pipeline()->set('a', 1)->get('h')->get('a')->exec());
    expect([true, false], $redis->multi()->set('a', 2)->get('h')->exec());
    expect(true, $redis->ping());
}

try {
    $topic(open());
} catch (Throwable $error) {
    fwrite(STDERR, $error . "\n");
    exit(1);
}
echo "done\n";
