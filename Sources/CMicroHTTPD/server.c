#include "CMicroHTTPD.h"

#include <errno.h>

#ifdef HILUM_MICROHTTPD

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// Silent connections end after so many seconds.
enum { IDLE_SECONDS = 60, MOST_CONNECTIONS = 64 };

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

struct hilum_http_server {
    hilum_http_calls calls;
    struct MHD_Daemon *daemon;
};

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
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(*port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    errno = 0;
    server->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION, *port, NULL, NULL, receive, server,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_NOTIFY_COMPLETED, complete, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon == NULL ? NULL : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL) {
        int failure = errno == 0 ? EADDRINUSE : errno;
        if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
        free(server);
        errno = failure;
        return NULL;
    }
    *port = info->port;
    return server;
}

void hilum_http_stop(hilum_http_server *server) {
    MHD_stop_daemon(server->daemon);
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
