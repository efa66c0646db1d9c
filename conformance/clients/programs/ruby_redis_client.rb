# Drives a server through ruby-redis, one topic per run: ruby ruby_redis_client.rb TOPIC HOST PORT PASSWORD
require "redis"

TOPIC, HOST, PORT, PASSWORD = ARGV

def open_client
  Redis.new(host: HOST, port: PORT.to_i, password: PASSWORD.empty? ? nil : PASSWORD, db: 3, id: "ruby-client",
            timeout: 10, reconnect_attempts: 0)
end

def expect(wanted, found)
  raise "expected #{wanted.inspect}, found #{found.inspect}" unless wanted == found
end

def expect_error(pattern)
  yield
rescue Redis::CommandError => error
  raise "expected #{pattern.inspect}, found #{error.message}" unless error.message =~ pattern
else
  raise "expected an error like #{pattern.inspect}"
end

def connect(redis)
  expect "PONG", redis.ping
  expect "ruby-client", redis.client(:getname)
  expect "OK", redis.set("k", "v")
  expect "v", redis.get("k")
  expect nil, redis.get("absent")
  expect 1, redis.dbsize
  redis.select(0)
  expect nil, redis.get("k")
  expect true, redis.info.key?("redis_version")
end

def pipeline(redis)
  results = redis.pipelined { |pipe| 1000.times { |i| pipe.incrby("n", i) } }
  sum = 0
  expect((0...1000).map { |i| sum += i }, results)
  expect ["OK", { "f" => "v" }], redis.pipelined { |pipe| pipe.mapped_hmset("h", "f" => "v"); pipe.hgetall("h") }
end

def transaction(redis)
  expect ["OK", 2], redis.multi { |tx| tx.set("a", 1); tx.incr("a") }
  other = open_client
  result = redis.watch("a") do
    other.set("a", 5)
    redis.multi { |tx| tx.set("a", 6) }
  end
  expect nil, result
  result = redis.watch("a") { redis.multi { |tx| tx.set("a", 7) } }
  expect ["OK"], result
  begin
    redis.multi { |tx| tx.set("a", 8); raise IndexError }
  rescue IndexError
    expect "7", redis.get("a")
  end
end

def binary(redis)
  all = (0..255).map(&:chr).join.b
  redis.set(all, all)
  expect all, redis.get(all).b
  redis.hset("h", all, all)
  expect all, redis.hget("h", all).b
  large = ("a\0\r\n" * (1024 * 1024 + 1)).b
  redis.set("large", large)
  expect large, redis.get("large").b
  redis.set("empty", "")
  expect "", redis.get("empty")
end

def errors(redis)
  redis.hset("h", "f", "v")
  expect_error(/\AWRONGTYPE /) { redis.get("h") }
  expect_error(/\AERR unknown command 'NOSUCH'/) { redis.call("NOSUCH", "x") }
  expect_error(/\AERR wrong number of arguments for 'get' command\z/) { redis.call("GET") }
  expect_error(/\AWRONGTYPE /) { redis.pipelined { |pipe| pipe.set("a", 1); pipe.get("h"); pipe.set("b", 2) } }
  expect %w[1 2], redis.mget("a", "b")
  expect_error(/\AWRONGTYPE /) { redis.multi { |tx| tx.set("a", 3); tx.get("h") } }
  expect "3", redis.get("a")
end

redis = open_client
send(TOPIC, redis)
redis.close
puts "done"
