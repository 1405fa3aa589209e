// The load generator: opens sockets, then does what it is told on standard input, and answers in lines of JSON.
//
//   load host=127.0.0.1 port=8000 count=1000 path=/ ready=... headers=FILE hellos=FILE sends=FILE …
//   publish HOST PORT FILE FIRST COUNT RATE EXPECTED GRACE   publish COUNT messages and wait for EXPECTED deliveries
//   send COUNT RATE EXPECTED GRACE                           durable sends by the sockets; RATE 0: one in flight each
//   drop | return                                            close all sockets | open them again, all at once
//   quit
#include "publisher.h"
#include "sockets.h"

static uint64_t sends_left, send_number;

static void read_options(int count, char **words) {
    options = (Options){.host = "127.0.0.1", .path = "/", .ready = "", .at_once = 256, .sources = 1};
    for (int i = 1; i < count; i++) {
        char *value = strchr(words[i], '=');
        if (!value) die(words[i]);
        *value++ = 0;
        const char *name = words[i];
        if (!strcmp(name, "host")) options.host = value;
        else if (!strcmp(name, "port")) options.port = atoi(value);
        else if (!strcmp(name, "count")) options.count = atoi(value);
        else if (!strcmp(name, "sources")) options.sources = atoi(value);
        else if (!strcmp(name, "senders")) options.senders = atoi(value);
        else if (!strcmp(name, "at_once")) options.at_once = atoi(value);
        else if (!strcmp(name, "stream")) options.is_stream = atoi(value);
        else if (!strcmp(name, "path")) options.path = value;
        else if (!strcmp(name, "ready")) options.ready = value;
        else if (!strcmp(name, "headers")) options.headers = read_blobs(value);
        else if (!strcmp(name, "hellos")) options.hellos = read_blobs(value);
        else if (!strcmp(name, "sends")) options.sends = read_blobs(value);
        else die(name);
    }
}

static void turn(int timeout_ms) {
    struct epoll_event events[1024];
    int count = epoll_wait(poller, events, 1024, timeout_ms);
    for (int i = 0; i < count; i++) {
        Socket *it = events[i].data.ptr;
        if (!it || it->state == CLOSED) continue;
        if (it->state == CONNECTING) ask_upgrade(it);
        else read_socket(it);
    }
}

static void reset_counts(void) {
    memset(&deliveries, 0, sizeof deliveries);
    memset(&acks, 0, sizeof acks);
    error_count = 0;
}

static void answer(double seconds, uint64_t expected) {
    printf(
        "{\"seconds\":%.6f,\"expected\":%llu,\"deliveries\":%llu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,"
        "\"acks\":%llu,\"ack_p50_ms\":%.3f,\"ack_p99_ms\":%.3f,\"errors\":%d,\"lost\":%d,\"sockets\":%d}\n",
        seconds, (unsigned long long)expected, (unsigned long long)deliveries.count, percentile_ms(&deliveries, 0.5),
        percentile_ms(&deliveries, 0.99), (double)deliveries.max / 1000.0, (unsigned long long)acks.count,
        percentile_ms(&acks, 0.5), percentile_ms(&acks, 0.99), error_count, lost_count, ready_count);
    fflush(stdout);
}

static void open_all(void) {
    uint64_t begin = open_begin = now_us(), deadline = begin + 90000000u;
    memset(&openings, 0, sizeof openings);
    next_to_open = lost_count = retry_count = 0;
    resumed_events = 0;
    open_more();
    while (ready_count + lost_count < options.count && now_us() < deadline) {
        turn(100);
        if (is_returning) open_again();
    }
    printf(
        "{\"ready\":%d,\"lost\":%d,\"seconds\":%.6f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"resumed_events\":%llu,"
        "\"retries\":%d}\n",
        ready_count, lost_count, (double)(now_us() - begin) / 1e6, percentile_ms(&openings, 0.5),
        percentile_ms(&openings, 0.99), (unsigned long long)resumed_events, retry_count);
    fflush(stdout);
}

static void command_publish(const char *line) {
    Publisher publisher = {0};
    char file[1024];
    unsigned long long first, count, expected;
    double grace;
    if (sscanf(line, "publish %63s %d %1023s %llu %llu %lf %llu %lf", publisher.host, &publisher.port, file, &first,
               &count, &publisher.rate, &expected, &grace) != 8)
        die("publish");
    publisher.parts = read_blobs(file);
    publisher.first_number = first;
    publisher.count = count;
    reset_counts();
    pthread_t thread;
    if (pthread_create(&thread, NULL, publish, &publisher)) die("pthread_create");
    uint64_t quiet_since = now_us();
    last_delivery_us = 0;
    while (deliveries.count < expected || !expected) {
        turn(20);
        int is_done = atomic_load(&publisher.is_done);
        if (!is_done || last_delivery_us > quiet_since) quiet_since = is_done ? last_delivery_us : now_us();
        if (is_done && (!expected || (double)(now_us() - quiet_since) > grace * 1e6)) break;
    }
    uint64_t end = last_delivery_us ? last_delivery_us : now_us();
    pthread_join(thread, NULL);
    answer((double)(end - atomic_load(&publisher.started_us)) / 1e6, expected);
}

static void send_next(Socket *it) {
    uint32_t index = (uint32_t)(it - sockets);
    if (!sends_left || index >= (uint32_t)options.senders || it->state != READY) return;
    sends_left--;
    uint32_t chosen = index % options.sends.count;
    Template template = read_template(options.sends.records[chosen], options.sends.lengths[chosen]);
    fill_template(&template, send_number++);
    it->asked_us = now_us();
    send_all(it->fd, template.bytes, template.length);
    free(template.bytes);
}

static void command_send(const char *line) {
    unsigned long long count, expected;
    double rate, grace;
    if (sscanf(line, "send %llu %lf %llu %lf", &count, &rate, &expected, &grace) != 4) die("send");
    reset_counts();
    sends_left = count;
    on_ack = rate > 0 ? NULL : send_next;
    uint64_t begin = now_us(), sent = 0, last_seen = 0, quiet_since = begin;
    if (rate <= 0) for (int i = 0; i < options.senders; i++) send_next(&sockets[i]);
    while (acks.count < count || deliveries.count < expected) {
        uint64_t at = now_us();
        int timeout = 20;
        while (rate > 0 && sends_left && begin + (uint64_t)((double)sent * 1e6 / rate) <= at)
            send_next(&sockets[sent++ % (uint64_t)options.senders]);
        if (rate > 0 && sends_left) timeout = 1;
        turn(timeout);
        uint64_t seen = acks.count + deliveries.count;
        if (seen != last_seen) quiet_since = now_us();
        last_seen = seen;
        if ((double)(now_us() - quiet_since) > grace * 1e6) break;
    }
    answer((double)(now_us() - begin) / 1e6, expected);
}

static void command_drop(void) {
    for (int i = 0; i < options.count; i++) close_socket(&sockets[i]);
    printf("{\"dropped\":%d}\n", options.count);
    fflush(stdout);
}

int main(int count, char **words) {
    read_options(count, words);
    raise_file_limit();
    poller = epoll_create1(0);
    sockets = calloc((size_t)options.count, sizeof *sockets);
    open_all();
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &wanted);
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    char line[4096];
    while (1) {
        turn(1000);
        ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
        if (length == 0) return 0;
        if (length < 0) continue;
        line[length] = 0;
        if (!strncmp(line, "publish ", 8)) command_publish(line);
        else if (!strncmp(line, "send ", 5)) command_send(line);
        else if (!strncmp(line, "drop", 4)) command_drop();
        else if (!strncmp(line, "return", 6)) {
            options.at_once = options.count;
            is_returning = 1;
            open_all();
            is_returning = 0;
        } else return 0;
    }
}
