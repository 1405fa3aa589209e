// Requests over kept-alive HTTP connections, one in flight on each: http PORT CONNECTIONS REQUESTS FILE
// FILE is a blob file with the whole request. Answers with one line of JSON.
#include "common.h"

typedef struct {
    int fd;
    uint64_t asked_us;
    size_t length;
    char answer[131072];
} Connection;

static uint64_t body_bytes, failures;

static int is_complete(Connection *it) {
    char *head_end = memmem(it->answer, it->length, "\r\n\r\n", 4);
    if (!head_end) return 0;
    it->answer[it->length] = 0;
    char *field = strcasestr(it->answer, "content-length:");
    if (!field || field > head_end) die("an answer without a length");
    size_t body = strtoul(field + 15, NULL, 10);
    if (it->length < (size_t)(head_end + 4 - it->answer) + body) return 0;
    body_bytes = body;
    failures += memcmp(it->answer, "HTTP/1.1 200", 12) != 0;
    return 1;
}

int main(int count, char **words) {
    if (count != 5) return 2;
    int connections = atoi(words[2]), poller = epoll_create1(0);
    uint64_t requests = strtoull(words[3], NULL, 10), asked = 0, done = 0;
    Blobs request = read_blobs(words[4]);
    Histogram *latencies = calloc(1, sizeof *latencies);
    Connection *all = calloc((size_t)connections, sizeof *all);
    uint64_t begin = now_us();
    for (int i = 0; i < connections; i++, asked++) {
        all[i].fd = connect_to("127.0.0.1", atoi(words[1]), 0, 0);
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &wanted);
        all[i].asked_us = now_us();
        send_all(all[i].fd, request.records[0], request.lengths[0]);
    }
    while (done < requests) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, 10000);
        if (ready <= 0) die("no answer");
        for (int i = 0; i < ready; i++) {
            Connection *it = events[i].data.ptr;
            ssize_t length = recv(it->fd, it->answer + it->length, sizeof it->answer - 1 - it->length, 0);
            if (length <= 0) die("closed by the server");
            it->length += (size_t)length;
            if (!is_complete(it)) continue;
            record(latencies, now_us() - it->asked_us);
            it->length = 0;
            done++;
            if (asked++ >= requests) continue;
            it->asked_us = now_us();
            send_all(it->fd, request.records[0], request.lengths[0]);
        }
    }
    printf("{\"seconds\":%.6f,\"requests\":%llu,\"failures\":%llu,\"bytes\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           (double)(now_us() - begin) / 1e6, (unsigned long long)done, (unsigned long long)failures,
           (unsigned long long)body_bytes, percentile_ms(latencies, 0.5), percentile_ms(latencies, 0.99));
    return 0;
}
