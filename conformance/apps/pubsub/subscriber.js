// Hears news by pattern: node subscriber.js PUBLISHERS COUNT
'use strict';
const { createClient } = require('redis');

const [publishers, count] = process.argv.slice(2).map(Number);
const client = createClient({ url: process.env.STORE_URL || 'redis://127.0.0.1:6379/0' });

(async () => {
  await client.connect();
  const heard = {};
  let last = 0;
  await client.pSubscribe('news:*', (message, channel) => {
    (heard[channel] = heard[channel] || []).push(Number(message));
    if (Number(message) === count) last += 1;
    if (last === publishers) client.quit().then(() => console.log(JSON.stringify(heard)));
  });
})().catch((error) => { console.error(error); process.exit(1); });
