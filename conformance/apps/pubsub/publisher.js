// Publishes numbered messages, without waiting for each answer: node publisher.js CHANNEL COUNT
'use strict';
const { createClient } = require('redis');

const [channel, count] = process.argv.slice(2);
const client = createClient({ url: process.env.STORE_URL || 'redis://127.0.0.1:6379/0' });

(async () => {
  await client.connect();
  const sent = [];
  for (let i = 1; i <= Number(count); i++) sent.push(client.publish(channel, String(i)));
  console.log(JSON.stringify(await Promise.all(sent)));
  await client.quit();
})().catch((error) => { console.error(error); process.exit(1); });
