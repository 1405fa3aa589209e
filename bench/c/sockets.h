// Many WebSocket connections in one epoll loop: handshake, frames, and what was delivered.
#ifndef CAREBELL_BENCH_SOCKETS_H
#define CAREBELL_BENCH_SOCKETS_H

#include "common.h"

typedef enum { CLOSED, CONNECTING, HANDSHAKING, GREETING, READY } State;

typedef struct {
    int fd;
    State state;
    uint8_t *carry;  // a frame that has come in part
    uint32_t carried, room;
    uint8_t tail[20];  // of the stream of messages, where a mark may be cut
    uint8_t tail_length;
    uint8_t is_sending;
    uint64_t asked_us;
} Socket;

typedef struct {
    const char *host, *path, *ready;
    int port, count, sources, senders, at_once, is_stream;
    Blobs headers, hellos, sends;
} Options;

static Options options;
static Socket *sockets;
static int poller, opening, next_to_open, ready_count, lost_count, error_count, retry_count, is_returning;
static uint64_t open_begin;
static Histogram deliveries, acks, openings;
static uint64_t last_delivery_us, resumed_events;
static void (*on_ack)(Socket *);

#define RETRY_US 500000
#define READ_AT_ONCE (512 * 1024)
static uint8_t *buffer;
static size_t buffer_room;

static void close_socket(Socket *it) {
    if (it->state == CLOSED) return;
    ready_count -= it->state == READY;
    opening -= it->state != READY;
    close(it->fd);
    free(it->carry);
    memset(it, 0, sizeof *it);
}

static void lose(Socket *it, const char *why) {
    if (is_returning) {  // as a client of ours: it comes back, a little later
        if (retry_count++ < 3) fprintf(stderr, "socket %ld tries again: %.60s\n", (long)(it - sockets), why);
        close_socket(it);
        it->asked_us = now_us();
        return;
    }
    if (lost_count++ < 3) fprintf(stderr, "socket %ld lost: %s\n", (long)(it - sockets), why);
    close_socket(it);
}

static void open_socket(Socket *it) {
    int index = (int)(it - sockets);
    it->asked_us = now_us();
    it->fd = connect_to(options.host, options.port, options.sources > 1 ? 1 + index % options.sources : 0, SOCK_NONBLOCK);
    it->state = CONNECTING;
    opening++;
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = it};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, it->fd, &wanted)) die("epoll_ctl");
}

static void open_more(void) {
    while (next_to_open < options.count && opening < options.at_once) open_socket(&sockets[next_to_open++]);
}

static void open_again(void) {
    uint64_t now = now_us();
    for (int i = 0; i < options.count; i++)
        if (sockets[i].state == CLOSED && now - sockets[i].asked_us > RETRY_US) open_socket(&sockets[i]);
}

static void ask_upgrade(Socket *it) {
    int error = 0, index = (int)(it - sockets);
    socklen_t size = sizeof error;
    getsockopt(it->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) {
        lose(it, strerror(error));
        return;
    }
    char request[8192];
    const Blobs *headers = &options.headers;
    int length = snprintf(
        request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
        options.path, options.host, options.port,
        headers->count ? (char *)headers->records[(uint32_t)index % headers->count] : "");
    send_all(it->fd, (uint8_t *)request, (size_t)length);
    it->state = HANDSHAKING;
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = it};
    epoll_ctl(poller, EPOLL_CTL_MOD, it->fd, &wanted);
}

static void become_ready(Socket *it) {
    it->state = READY;
    opening--;
    ready_count++;
    record(&openings, now_us() - (is_returning ? open_begin : it->asked_us));
    open_more();
}

static void greet(Socket *it) {
    uint32_t index = (uint32_t)(it - sockets);
    it->state = GREETING;
    if (options.hellos.count) {
        uint32_t chosen = index % options.hellos.count;
        send_all(it->fd, options.hellos.records[chosen], options.hellos.lengths[chosen]);
    }
    if (!*options.ready) become_ready(it);
}

static inline void deliver(const uint8_t *stamp) {
    last_delivery_us = now_us();
    record(&deliveries, last_delivery_us - read_digits(stamp, STAMP_DIGITS));
}

// One message a frame: the mark is where it was in the frame before, or has to be looked for.
static void take_message(Socket *it, const uint8_t *data, size_t length) {
    static size_t expected;
    if (length > 12 && !memcmp(data, "{\"type\":\"ack\"", 13)) {
        record(&acks, now_us() - it->asked_us);
        if (on_ack) on_ack(it);
        return;
    }
    if (length > 14 && !memcmp(data, "{\"type\":\"error\"", 15)) {
        if (error_count++ < 3) fprintf(stderr, "%.*s\n", (int)length, (const char *)data);
        return;
    }
    if (expected + 2 + STAMP_DIGITS > length || memcmp(data + expected, MARK, 2)) {
        const uint8_t *at = memmem(data, length, MARK, 2);
        if (!at || at + 2 + STAMP_DIGITS > data + length) return;
        expected = (size_t)(at - data);
    }
    deliver(data + expected + 2);
}

// Messages without regard to frames (NATS, MQTT): every mark counts, and one may lie across two frames.
static void take_stream(Socket *it, const uint8_t *data, size_t length) {
    static uint8_t *joined;
    static size_t room;
    if (room < length + sizeof it->tail) joined = realloc(joined, room = length + sizeof it->tail);
    memcpy(joined, it->tail, it->tail_length);
    memcpy(joined + it->tail_length, data, length);
    const uint8_t *at = joined, *end = joined + it->tail_length + length, *found;
    while ((found = memmem(at, (size_t)(end - at), MARK, 2)) && found + 2 + STAMP_DIGITS <= end) {
        deliver(found + 2);
        at = found + 2 + STAMP_DIGITS;
    }
    size_t rest = (size_t)(end - at), most = 1 + STAMP_DIGITS;
    it->tail_length = (uint8_t)(rest < most ? rest : most);
    memcpy(it->tail, end - it->tail_length, it->tail_length);
}

static void count_resumed(const uint8_t *data, size_t length) {
    const uint8_t *end = data + length;
    while ((data = memmem(data, (size_t)(end - data), "\"name\":\"ticket.", 15))) resumed_events++, data += 15;
}

static void take_payload(Socket *it, int opcode, const uint8_t *data, size_t length) {
    static const uint8_t pong[] = {0x8a, 0x80, 0, 0, 0, 0}, engine_pong[] = {0x81, 0x81, 0, 0, 0, 0, '3'};
    if (opcode == 8) {
        lose(it, length > 2 ? (const char *)data + 2 : "closed by the server");
    } else if (opcode == 9) {
        send(it->fd, pong, sizeof pong, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else if (opcode <= 2 && it->state == GREETING) {
        if (!memmem(data, length, options.ready, strlen(options.ready))) return;
        count_resumed(data, length);
        become_ready(it);
    } else if (opcode <= 2 && length == 1 && *data == '2') {
        send(it->fd, engine_pong, sizeof engine_pong, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else if (opcode <= 2) {
        if (options.is_stream) take_stream(it, data, length);
        else take_message(it, data, length);
    }
}

// Takes whole frames; returns where the first that is not whole begins.
static uint8_t *take_frames(Socket *it, uint8_t *at, uint8_t *end) {
    while (end - at >= 2 && it->state != CLOSED) {
        size_t head = 2, length = at[1] & 0x7f;
        if (length == 126) head = 4;
        if (length == 127) head = 10;
        if ((size_t)(end - at) < head) break;
        if (length >= 126) {
            length = 0;
            for (size_t place = 2; place < head; place++) length = length << 8 | at[place];
        }
        if ((size_t)(end - at) < head + length) break;
        take_payload(it, at[0] & 0x0f, at + head, length);
        at += head + length;
    }
    return at;
}

static void take_bytes(Socket *it, uint8_t *at, uint8_t *end) {
    if (it->state == HANDSHAKING) {
        uint8_t *head_end = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        if (head_end && memcmp(at, "HTTP/1.1 101", 12)) {
            lose(it, (const char *)at);
            return;
        }
        if (head_end) {
            greet(it);
            at = head_end + 4;
        }
    }
    if (it->state >= GREETING) at = take_frames(it, at, end);
    if (it->state == CLOSED) return;
    it->carried = (uint32_t)(end - at);
    if (it->carried > it->room) it->carry = realloc(it->carry, it->room = it->carried);
    if (it->carried) memcpy(it->carry, at, it->carried);
}

static void read_socket(Socket *it) {
    if (buffer_room < it->carried + READ_AT_ONCE + 1)
        buffer = realloc(buffer, buffer_room = it->carried + READ_AT_ONCE + 1);
    if (it->carried) memcpy(buffer, it->carry, it->carried);
    ssize_t length = recv(it->fd, buffer + it->carried, READ_AT_ONCE, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN) return;
    if (length <= 0) {
        lose(it, length ? strerror(errno) : "ended by the server");
        return;
    }
    uint8_t *end = buffer + it->carried + length;
    *end = 0;
    take_bytes(it, buffer, end);
}

#endif
