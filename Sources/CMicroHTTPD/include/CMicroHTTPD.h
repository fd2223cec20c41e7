// A small web server over libmicrohttpd, for this machine's own browser only.
//
// It listens on 127.0.0.1, collects the body of a request up to a bound that is asked for before the first byte is kept, and adds the
// headers that every reply has. Without libmicrohttpd's header the module builds all the same, and `hilum_http_start` returns NULL with
// ENOSYS.
#ifndef HILUM_MICROHTTPD_H
#define HILUM_MICROHTTPD_H

#include <stddef.h>
#include <stdint.h>

// One request. Everything in it is valid only during the call that it is handed to; what is not there is NULL.
typedef struct {
    const char *method;
    // The path without its arguments, with %XX undone.
    const char *path;
    const char *host;
    const char *origin;
    const uint8_t *body;
    size_t body_count;
    void *connection;
} hilum_http_request;

// A reply. `body` comes from malloc and belongs to the server afterwards; `content_type` must stay valid for ever.
typedef struct {
    unsigned status;
    const char *content_type;
    uint8_t *body;
    size_t body_count;
} hilum_http_reply;

typedef struct {
    void *context;
    // How many bytes of body this request may have; -1 refuses it before anything of its body is read. `handle` is then called without one.
    int64_t (*admit)(void *context, const hilum_http_request *request);
    // The reply; on a thread of this connection.
    hilum_http_reply (*handle)(void *context, const hilum_http_request *request);
    // The reply to a request whose body is longer than what `admit` allowed.
    hilum_http_reply (*too_long)(void *context);
} hilum_http_calls;

typedef struct hilum_http_server hilum_http_server;

// Whether this build has a server.
int hilum_http_is_there(void);
// Starts to listen; `port` 0 takes a free one and puts it in. `calls` is copied. NULL with errno on failure.
hilum_http_server *hilum_http_start(uint16_t *port, const hilum_http_calls *calls);
// Ends all connections and returns when no thread of the server runs any more.
void hilum_http_stop(hilum_http_server *server);
// The value of an argument behind `?`, with %XX undone; NULL if it is not there.
const char *hilum_http_argument(const hilum_http_request *request, const char *name);

#endif
