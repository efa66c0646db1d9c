// Drives a server through node-redis, one topic per run: node node_redis_client.js TOPIC HOST PORT PASSWORD
'use strict';
const assert = require('assert');
const { createClient, commandOptions, WatchError } = require('redis');

const [topic, host, port, password] = process.argv.slice(2);

async function open() {
  const client = createClient({
    socket: { host, port: Number(port), reconnectStrategy: false },
    password: password || undefined, name: 'node-client', database: 3,
  });
  client.on('error', (error) => { throw error; });
  await client.connect();
  return client;
}

const topics = {
  async connect(client) {
    assert.strictEqual(await client.ping(), 'PONG');
    assert.strictEqual(await client.sendCommand(['CLIENT', 'GETNAME']), 'node-client');
    assert.strictEqual(await client.set('k', 'v'), 'OK');
    assert.strictEqual(await client.get('k'), 'v');
    assert.strictEqual(await client.get('absent'), null);
    assert.strictEqual(await client.dbSize(), 1);
    await client.select(0);
    assert.strictEqual(await client.get('k'), null);
    assert.match(await client.info('server'), /redis_version:/);
  },

  async pipeline(client) {
    const promises = [];
    for (let i = 0; i < 1000; i++) promises.push(client.incrBy('n', i));
    const results = await Promise.all(promises);
    let sum = 0;
    results.forEach((result, i) => { sum += i; assert.strictEqual(result, sum); });
    const [first, second] = await client.multi().set('a', '1').get('a').execAsPipeline();
    assert.deepStrictEqual([first, second], ['OK', '1']);
  },

  async transaction(client) {
    const results = await client.multi().set('a', '1').incr('a').hSet('h', { f: 'v', g: 'w' }).hGetAll('h').exec();
    assert.deepStrictEqual(results, ['OK', 2, 2, Object.assign(Object.create(null), { f: 'v', g: 'w' })]);
    await client.executeIsolated(async (isolated) => {
      await isolated.watch('a');
      await client.set('a', '5');
      await assert.rejects(isolated.multi().set('a', '6').exec(), WatchError);
      await isolated.watch('a');
      assert.deepStrictEqual(await isolated.multi().set('a', '7').exec(), ['OK']);
    });
    assert.strictEqual(await client.get('a'), '7');
  },

  async binary(client) {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const buffers = commandOptions({ returnBuffers: true });
    await client.set(all, all);
    assert.ok((await client.get(buffers, all)).equals(all));
    await client.hSet('h', all, all);
    assert.ok((await client.hGet(buffers, 'h', all)).equals(all));
    const large = Buffer.alloc(5 * 1024 * 1024 + 3, 'a\u0000\r\n');
    await client.set('large', large);
    assert.ok((await client.get(buffers, 'large')).equals(large));
    await client.set('empty', '');
    assert.strictEqual(await client.get('empty'), '');
    await client.set('text', 'grüße 🙂');
    assert.strictEqual(await client.get('text'), 'grüße 🙂');
  },

  async errors(client) {
    await client.hSet('h', 'f', 'v');
    await assert.rejects(client.get('h'), /^Error: WRONGTYPE |WRONGTYPE Operation/);
    await assert.rejects(client.sendCommand(['NOSUCH', 'x']), /unknown command 'NOSUCH'/);
    await assert.rejects(client.sendCommand(['GET']), /wrong number of arguments for 'get' command/);
    const results = await Promise.allSettled([client.set('a', '1'), client.get('h'), client.get('a')]);
    assert.deepStrictEqual(results.map((result) => result.status), ['fulfilled', 'rejected', 'fulfilled']);
    await assert.rejects(client.multi().set('a', '1').addCommand(['GET', 'a', 'b', 'c']).exec());
    assert.strictEqual(await client.ping(), 'PONG');
  },
};

(async () => {
  const client = await open();
  await topics[topic](client);
  await client.quit();
  console.log('done');
})().catch((error) => { console.error(error); process.exit(1); });
