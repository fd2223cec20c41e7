#include "CMicroHTTPD.h"

#include <errno.h>

#ifdef HILUM_MICROHTTPD

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// Whoever may use this machine can connect, and a connection has a thread. So one that has not shown a request that is admitted, as it takes
// the token, is a stranger: it may be silent for a few seconds only, and when there are MOST_STRANGERS of them the oldest gives way to the
// next. A browser sends its request with connecting, so it is a stranger for a moment; only a flood of connections within that moment could
// push it out. Others have room besides.
enum {
    STRANGER_SECONDS = 5,
    MOST_STRANGERS = 32,
    // Longer than the slowest answer takes, which counts as silence too.
    KNOWN_SECONDS = 180,
    MOST_CONNECTIONS = 128,
};

// Every reply says: nothing from elsewhere, not in a frame, not kept, no address told to others.
static const char *const fixed_headers[][2] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
     "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"Cache-Control", "no-store"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
};

// A connection that has not shown a request that is admitted.
struct stranger {
    MHD_socket socket;
    struct stranger *older;
    struct stranger *newer;
    int is_listed;
};

struct hilum_http_server {
    hilum_http_calls calls;
    struct MHD_Daemon *daemon;
    // Guards what follows, and the strangers.
    pthread_mutex_t mutex;
    struct stranger *oldest;
    struct stranger *newest;
    int count;
};

// The mutex must be held.
static void leave(hilum_http_server *server, struct stranger *stranger) {
    if (!stranger->is_listed) return;
    stranger->is_listed = 0;
    if (stranger->older != NULL) stranger->older->newer = stranger->newer;
    else server->oldest = stranger->newer;
    if (stranger->newer != NULL) stranger->newer->older = stranger->older;
    else server->newest = stranger->older;
    server->count -= 1;
}

// libmicrohttpd calls this when a connection has begun and before its socket is closed, so every socket in the list is open.
static void notice(
    void *context, struct MHD_Connection *connection, void **state, enum MHD_ConnectionNotificationCode code) {
    hilum_http_server *server = context;
    struct stranger *stranger = *state;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (stranger == NULL) return;
        pthread_mutex_lock(&server->mutex);
        leave(server, stranger);
        pthread_mutex_unlock(&server->mutex);
        free(stranger);
        *state = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    stranger = calloc(1, sizeof *stranger);
    if (stranger == NULL || info == NULL) {
        free(stranger);
        return;
    }
    stranger->socket = info->connect_fd;
    *state = stranger;
    pthread_mutex_lock(&server->mutex);
    if (server->count >= MOST_STRANGERS) {
        // Its thread finds the end of the stream, and ends.
        shutdown(server->oldest->socket, SHUT_RDWR);
        leave(server, server->oldest);
    }
    stranger->older = server->newest;
    if (server->newest != NULL) server->newest->newer = stranger;
    else server->oldest = stranger;
    server->newest = stranger;
    stranger->is_listed = 1;
    server->count += 1;
    pthread_mutex_unlock(&server->mutex);
}

// The connection has shown a request that is admitted.
static void welcome(hilum_http_server *server, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (info == NULL || info->socket_context == NULL) return;
    pthread_mutex_lock(&server->mutex);
    leave(server, info->socket_context);
    pthread_mutex_unlock(&server->mutex);
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)KNOWN_SECONDS);
}

// What a request brings, piece by piece.
struct intake {
    uint8_t *bytes;
    size_t count;
    size_t capacity;
    size_t limit;
    int is_over;
};

static enum MHD_Result answer(struct MHD_Connection *connection, hilum_http_reply reply) {
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply.body_count, reply.body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(reply.body);
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, "Content-Type", reply.content_type);
    for (size_t i = 0; i < sizeof fixed_headers / sizeof fixed_headers[0]; i++)
        result &= MHD_add_response_header(response, fixed_headers[i][0], fixed_headers[i][1]);
    if (result == MHD_YES) result = MHD_queue_response(connection, reply.status, response);
    MHD_destroy_response(response);
    return result;
}

static hilum_http_request describe(struct MHD_Connection *connection, const char *path, const char *method) {
    hilum_http_request request = {
        .method = method,
        .path = path,
        .host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Host"),
        .origin = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Origin"),
        .connection = connection,
    };
    return request;
}

// Keeps a piece of the body; beyond the limit it is counted as over and dropped. 0: there is no memory for it.
static int take(struct intake *intake, const char *piece, size_t count) {
    if (intake->is_over || count > intake->limit - intake->count) {
        intake->is_over = 1;
        free(intake->bytes);
        intake->bytes = NULL;
        intake->count = intake->capacity = 0;
        return 1;
    }
    if (count > intake->capacity - intake->count) {
        size_t wanted = intake->count + count;
        size_t capacity = intake->capacity == 0 ? 4096 : 2 * intake->capacity;
        if (capacity < wanted) capacity = wanted;
        if (capacity > intake->limit) capacity = intake->limit;
        uint8_t *grown = realloc(intake->bytes, capacity);
        if (grown == NULL) return 0;
        intake->bytes = grown;
        intake->capacity = capacity;
    }
    memcpy(intake->bytes + intake->count, piece, count);
    intake->count += count;
    return 1;
}

// libmicrohttpd calls this once with the headers, then with each piece of the body, then with none.
static enum MHD_Result receive(
    void *context, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
    const char *piece, size_t *piece_count, void **state) {
    (void)version;
    hilum_http_server *server = context;
    hilum_http_request request = describe(connection, path, method);
    struct intake *intake = *state;
    if (intake == NULL) {
        int64_t limit = server->calls.admit(server->calls.context, &request);
        if (limit < 0) return answer(connection, server->calls.handle(server->calls.context, &request));
        welcome(server, connection);
        const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
        if (length != NULL && strtoull(length, NULL, 10) > (uint64_t)limit)
            return answer(connection, server->calls.too_long(server->calls.context));
        intake = calloc(1, sizeof *intake);
        if (intake == NULL) return MHD_NO;
        intake->limit = (size_t)limit;
        *state = intake;
        return MHD_YES;
    }
    if (*piece_count > 0) {
        int is_kept = take(intake, piece, *piece_count);
        *piece_count = 0;
        return is_kept ? MHD_YES : MHD_NO;
    }
    if (intake->is_over) return answer(connection, server->calls.too_long(server->calls.context));
    request.body = intake->bytes;
    request.body_count = intake->count;
    return answer(connection, server->calls.handle(server->calls.context, &request));
}

static void complete(
    void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    (void)context;
    (void)connection;
    (void)code;
    struct intake *intake = *state;
    if (intake == NULL) return;
    free(intake->bytes);
    free(intake);
    *state = NULL;
}

int hilum_http_is_there(void) { return 1; }

hilum_http_server *hilum_http_start(uint16_t *port, const hilum_http_calls *calls) {
    hilum_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->calls = *calls;
    pthread_mutex_init(&server->mutex, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, *port, NULL, NULL, receive, server,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)STRANGER_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, complete, NULL,
        MHD_OPTION_NOTIFY_CONNECTION, notice, server, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon == NULL ? NULL : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL) {
        int failure = errno == 0 ? EADDRINUSE : errno;
        if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
        pthread_mutex_destroy(&server->mutex);
        free(server);
        errno = failure;
        return NULL;
    }
    *port = info->port;
    return server;
}

void hilum_http_stop(hilum_http_server *server) {
    MHD_stop_daemon(server->daemon);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

const char *hilum_http_argument(const hilum_http_request *request, const char *name) {
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

#else

int hilum_http_is_there(void) { return 0; }

hilum_http_server *hilum_http_start(uint16_t *port, const hilum_http_calls *calls) {
    (void)port;
    (void)calls;
    errno = ENOSYS;
    return NULL;
}

void hilum_http_stop(hilum_http_server *server) { (void)server; }

const char *hilum_http_argument(const hilum_http_request *request, const char *name) {
    (void)request;
    (void)name;
    return NULL;
}

#endif
