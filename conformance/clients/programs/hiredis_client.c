/* Drives a server through hiredis, one topic per run: hiredis_client TOPIC HOST PORT PASSWORD
 * Exit status 0 if everything was as expected, 1 with a message if not. */
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *context;

static void fail(const char *what, const redisReply *reply) {
    fprintf(stderr, "%s (context: %s; reply type %d: %s)\n", what, context && context->err ? context->errstr : "no error",
            reply ? reply->type : -1, reply && reply->str ? reply->str : "");
    exit(1);
}

static void expect(int condition, const char *what, const redisReply *reply) {
    if (!condition) fail(what, reply);
}

static redisContext *open_connection(const char *host, int port, const char *password) {
    struct timeval limit = {10, 0};
    redisContext *opened = redisConnectWithTimeout(host, port, limit);
    context = opened;
    if (!opened || opened->err) fail("cannot connect", NULL);
    redisSetTimeout(opened, limit);
    if (*password) {
        redisReply *reply = redisCommand(opened, "AUTH %s", password);
        expect(reply && reply->type == REDIS_REPLY_STATUS, "AUTH", reply);
        freeReplyObject(reply);
    }
    return opened;
}

static redisReply *call(int type, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    expect(reply != NULL, format, NULL);
    if (reply->type != type) fail(format, reply);
    return reply;
}

static int is(const redisReply *reply, const char *bytes, size_t length) {
    return reply->len == length && memcmp(reply->str, bytes, length) == 0;
}

static void connects(void) {
    expect(is(call(REDIS_REPLY_STATUS, "PING"), "PONG", 4), "PING", NULL);
    call(REDIS_REPLY_STATUS, "SELECT 3");
    call(REDIS_REPLY_STATUS, "SET k %s", "v");
    expect(is(call(REDIS_REPLY_STRING, "GET k"), "v", 1), "GET", NULL);
    call(REDIS_REPLY_NIL, "GET absent");
    expect(call(REDIS_REPLY_INTEGER, "DBSIZE")->integer == 1, "DBSIZE", NULL);
    call(REDIS_REPLY_STATUS, "SELECT 0");
    call(REDIS_REPLY_NIL, "GET k");
}

static void pipelines(void) {
    redisReply *reply;
    for (int i = 0; i < 1000; i++) redisAppendCommand(context, "INCRBY n %d", i);
    redisAppendCommand(context, "HSET h f v g w");
    redisAppendCommand(context, "HGETALL h");
    long long sum = 0;
    for (int i = 0; i < 1000; i++) {
        sum += i;
        expect(redisGetReply(context, (void **)&reply) == REDIS_OK, "pipeline", NULL);
        expect(reply->type == REDIS_REPLY_INTEGER && reply->integer == sum, "order of replies", reply);
        freeReplyObject(reply);
    }
    expect(redisGetReply(context, (void **)&reply) == REDIS_OK && reply->integer == 2, "HSET", reply);
    expect(redisGetReply(context, (void **)&reply) == REDIS_OK && reply->elements == 4, "HGETALL", reply);
    expect(is(reply->element[3], "w", 1), "HGETALL", reply);
}

static void transactions(const char *host, int port, const char *password) {
    redisContext *first = context, *second = open_connection(host, port, password);
    context = first;
    call(REDIS_REPLY_STATUS, "MULTI");
    call(REDIS_REPLY_STATUS, "SET a 1");
    call(REDIS_REPLY_STATUS, "INCR a");
    redisReply *reply = call(REDIS_REPLY_ARRAY, "EXEC");
    expect(reply->elements == 2 && reply->element[1]->integer == 2, "EXEC", reply);
    call(REDIS_REPLY_STATUS, "WATCH a");
    context = second;
    call(REDIS_REPLY_STATUS, "SET a 5");
    context = first;
    call(REDIS_REPLY_STATUS, "MULTI");
    call(REDIS_REPLY_STATUS, "SET a 6");
    call(REDIS_REPLY_NIL, "EXEC");
    call(REDIS_REPLY_STATUS, "MULTI");
    call(REDIS_REPLY_STATUS, "SET a 7");
    call(REDIS_REPLY_STATUS, "DISCARD");
    expect(is(call(REDIS_REPLY_STRING, "GET a"), "5", 1), "GET", NULL);
}

static void binary(void) {
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    call(REDIS_REPLY_STATUS, "SET %b %b", all, (size_t)256, all, (size_t)256);
    expect(is(call(REDIS_REPLY_STRING, "GET %b", all, (size_t)256), all, 256), "GET of all bytes", NULL);
    call(REDIS_REPLY_INTEGER, "HSET h %b %b", all, (size_t)256, all, (size_t)256);
    expect(is(call(REDIS_REPLY_STRING, "HGET h %b", all, (size_t)256), all, 256), "HGET of all bytes", NULL);
    size_t length = 5 * 1024 * 1024 + 3;
    char *large = malloc(length);
    for (size_t i = 0; i < length; i++) large[i] = (char)(i * 31 >> 3);
    call(REDIS_REPLY_STATUS, "SET large %b", large, length);
    expect(is(call(REDIS_REPLY_STRING, "GET large"), large, length), "GET of a large value", NULL);
    call(REDIS_REPLY_STATUS, "SET empty %b", "", (size_t)0);
    expect(is(call(REDIS_REPLY_STRING, "GET empty"), "", 0), "GET of an empty value", NULL);
    free(large);
}

static void errors(void) {
    call(REDIS_REPLY_INTEGER, "HSET h f v");
    expect(!strncmp(call(REDIS_REPLY_ERROR, "GET h")->str, "WRONGTYPE ", 10), "WRONGTYPE", NULL);
    expect(!strncmp(call(REDIS_REPLY_ERROR, "NOSUCH")->str, "ERR unknown command 'NOSUCH'", 28), "unknown command", NULL);
    expect(!strcmp(call(REDIS_REPLY_ERROR, "GET")->str, "ERR wrong number of arguments for 'get' command"), "arity", NULL);
    expect(is(call(REDIS_REPLY_STATUS, "PING"), "PONG", 4), "the connection still works", NULL);
    call(REDIS_REPLY_STATUS, "MULTI");
    call(REDIS_REPLY_STATUS, "SET k v");
    call(REDIS_REPLY_STATUS, "GET h");
    redisReply *reply = call(REDIS_REPLY_ARRAY, "EXEC");
    expect(reply->element[0]->type == REDIS_REPLY_STATUS && reply->element[1]->type == REDIS_REPLY_ERROR, "EXEC", reply);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    const char *topic = words[1], *host = words[2], *password = words[4];
    int port = atoi(words[3]);
    context = open_connection(host, port, password);
    if (!strcmp(topic, "connect")) connects();
    else if (!strcmp(topic, "pipeline")) pipelines();
    else if (!strcmp(topic, "transaction")) transactions(host, port, password);
    else if (!strcmp(topic, "binary")) binary();
    else if (!strcmp(topic, "errors")) errors();
    else return 2;
    puts("done");
    return 0;
}
