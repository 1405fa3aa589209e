// The floor: what a bare send() to every socket costs. One thread, no queues, no protocol, nothing that can go wrong well.
//
//   floor PORT REDIS_PORT REDIS_PASSWORD CHANNEL
#include "common.h"
#include <poll.h>

#define KEY_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  // of the sample key of RFC 6455, which the load generator sends

static int clients[65536], client_count;
static uint8_t feed[1 << 20];
static size_t feed_length;

static int listen_on(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) die("listen");
    return fd;
}

static void accept_client(int listener) {
    int fd = accept(listener, NULL, NULL), yes = 1;
    if (fd < 0) die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    char request[8192];
    if (recv(fd, request, sizeof request, 0) <= 0) {  // somebody who only looked whether we listen
        close(fd);
        return;
    }
    static const char response[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: " KEY_ACCEPT "\r\n\r\n";
    send_all(fd, (const uint8_t *)response, sizeof response - 1);
    clients[client_count++] = fd;
}

static void broadcast(const uint8_t *payload, size_t length) {
    static uint8_t frame[65536 + 4];
    size_t head = length < 126 ? 2 : 4;
    frame[0] = 0x81;
    frame[1] = (uint8_t)(length < 126 ? length : 126);
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
    memcpy(frame + head, payload, length);
    for (int i = 0; i < client_count; i++)
        if (send(clients[i], frame, head + length, MSG_NOSIGNAL) < 0) clients[i--] = clients[--client_count];
}

// "$5\r\nhello\r\n" is a bulk string; returns what follows it, or NULL while it has not come whole.
static uint8_t *bulk(uint8_t *at, uint8_t *end, uint8_t **value, size_t *length) {
    uint8_t *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
    if (!line_end) return NULL;
    *length = strtoul((char *)at + 1, NULL, 10);
    *value = line_end + 2;
    return *value + *length + 2 <= end ? *value + *length + 2 : NULL;
}

static uint8_t *take_reply(uint8_t *at, uint8_t *end) {
    uint8_t *line_end = memmem(at, (size_t)(end - at), "\r\n", 2), *value;
    size_t length;
    if (!line_end || *at != '*') return line_end ? line_end + 2 : NULL;
    uint8_t *next = bulk(line_end + 2, end, &value, &length);
    if (!next) return NULL;
    int is_message = length == 7 && !memcmp(value, "message", 7);
    if (!(next = bulk(next, end, &value, &length))) return NULL;
    if (!is_message) {
        line_end = memmem(next, (size_t)(end - next), "\r\n", 2);
        return line_end ? line_end + 2 : NULL;
    }
    if ((next = bulk(next, end, &value, &length))) broadcast(value, length);
    return next;
}

static void read_feed(int redis) {
    ssize_t length = recv(redis, feed + feed_length, sizeof feed - feed_length, 0);
    if (length <= 0) exit(0);
    uint8_t *at = feed, *end = feed + feed_length + length, *next;
    while (at < end && (next = take_reply(at, end))) at = next;
    feed_length = (size_t)(end - at);
    memmove(feed, at, feed_length);
}

int main(int count, char **words) {
    if (count != 5) return 2;
    raise_file_limit();
    int listener = listen_on(atoi(words[1])), redis = connect_to("127.0.0.1", atoi(words[2]), 0, 0);
    char commands[1024];
    int length = snprintf(commands, sizeof commands, "AUTH %s\r\nSUBSCRIBE %s\r\n", words[3], words[4]);
    send_all(redis, (uint8_t *)commands, (size_t)length);
    struct pollfd wanted[2] = {{.fd = listener, .events = POLLIN}, {.fd = redis, .events = POLLIN}};
    while (poll(wanted, 2, -1) >= 0) {
        if (wanted[0].revents) accept_client(listener);
        if (wanted[1].revents) read_feed(redis);
    }
    return 1;
}
