// What of Lua 5.1's interface has to be C. Lua raises an error with longjmp, which must never cross a frame of Swift: so a Swift function that
// is called from Lua returns a mark, and the functions here, in whose frames nothing of Swift is, raise. Nothing is linked with Lua:
// its functions are looked up at run time and handed over once.
#ifndef CLUA_H
#define CLUA_H

#include <stddef.h>
#include <stdio.h>

typedef struct clua_state clua_state;

/// A function that Lua calls: returns how many results it has left on the stack.
typedef int (*clua_function)(clua_state *_Nonnull state);

/// What lua_getinfo tells of a function (lua_Debug), with some room behind it.
typedef struct clua_debug {
    int event;
    const char *_Nullable name;
    const char *_Nullable name_kind;
    const char *_Nullable kind;
    const char *_Nullable source;
    int current_line;
    int upvalue_count;
    int first_line;
    int last_line;
    char short_source[60];
    int call;
    char room[64];
} clua_debug;

typedef void (*clua_hook)(clua_state *_Nonnull state, clua_debug *_Nullable record);

/// Lua's functions that are needed here, and who is asked at times whether a script may go on.
struct clua_functions {
    void *_Nullable (*_Nonnull touserdata)(clua_state *_Nonnull state, int index);
    int (*_Nonnull error)(clua_state *_Nonnull state);
    clua_function _Nonnull interrupt;
};

/// Only one file may use what refers to these: every object file has them anew.
static inline struct clua_functions *_Nonnull clua_functions(void) {
    static struct clua_functions functions;
    return &functions;
}

/// Calls the function whose address is the closure's first upvalue. If that returns a negative number, what it has left on top of the stack is
/// raised.
static inline int clua_call(clua_state *_Nonnull state) {
    clua_function function = (clua_function)clua_functions()->touserdata(state, -10003);
    int count = function(state);
    return count >= 0 ? count : clua_functions()->error(state);
}

static inline void clua_count(clua_state *_Nonnull state, clua_debug *_Nullable record) {
    (void)record;
    if (clua_functions()->interrupt(state) < 0) clua_functions()->error(state);
}

static inline void clua_install(
    void *_Nullable (*_Nonnull touserdata)(clua_state *_Nonnull state, int index),
    int (*_Nonnull error)(clua_state *_Nonnull state), clua_function _Nonnull interrupt) {
    clua_functions()->touserdata = touserdata;
    clua_functions()->error = error;
    clua_functions()->interrupt = interrupt;
}

/// The two as addresses.
static inline clua_function _Nonnull clua_caller(void) { return clua_call; }
static inline clua_hook _Nonnull clua_counter(void) { return clua_count; }

/// A number with up to `precision` digits, as "%.*g" prints it; returns how many bytes of text that is.
static inline int clua_format(char *_Nonnull target, size_t room, int precision, double value) {
    return snprintf(target, room, "%.*g", precision, value);
}

#endif
