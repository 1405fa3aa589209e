// A thread that publishes one message again and again, each with its own time and number.
#ifndef CAREBELL_BENCH_PUBLISHER_H
#define CAREBELL_BENCH_PUBLISHER_H

#include "common.h"
#include <pthread.h>
#include <stdatomic.h>

#define FLAT_OUT_AT_ONCE 32

typedef struct {
    char host[64];
    int port;
    Blobs parts;  // what to send first (sign-in), and the message with its holes
    uint64_t first_number, count;
    double rate;  // messages a second; 0: as fast as they are taken
    atomic_ullong started_us;
    atomic_int is_done;
} Publisher;

typedef struct {
    uint8_t *bytes;
    size_t length;
    uint8_t *stamps[4], *numbers[4];
    int stamp_count, number_count;
} Template;

static inline Template read_template(const uint8_t *bytes, size_t length) {
    Template template = {.bytes = malloc(length), .length = length};
    memcpy(template.bytes, bytes, length);
    uint8_t *end = template.bytes + length, *at = template.bytes;
    while (template.stamp_count < 4 && (at = memmem(at, (size_t)(end - at), STAMP_HOLE, STAMP_DIGITS))) {
        template.stamps[template.stamp_count++] = at;
        at += STAMP_DIGITS;
    }
    at = template.bytes;
    while (template.number_count < 4 && (at = memmem(at, (size_t)(end - at), NUMBER_HOLE, NUMBER_DIGITS))) {
        template.numbers[template.number_count++] = at;
        at += NUMBER_DIGITS;
    }
    return template;
}

static inline void fill_template(Template *template, uint64_t number) {
    uint64_t stamp = now_us();
    for (int i = 0; i < template->stamp_count; i++) write_digits(template->stamps[i], stamp, STAMP_DIGITS);
    for (int i = 0; i < template->number_count; i++) write_digits(template->numbers[i], number, NUMBER_DIGITS);
}

static inline void wait_until_us(uint64_t at) {
    struct timespec moment = {(time_t)(at / 1000000u), (long)(at % 1000000u) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) == EINTR) {
    }
}

static inline void drain_answers(int fd) {
    uint8_t answers[65536];
    while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0) {
    }
}

static inline void *publish(void *argument) {
    Publisher *publisher = argument;
    int fd = connect_to(publisher->host, publisher->port, 0, 0);
    send_all(fd, publisher->parts.records[0], publisher->parts.lengths[0]);
    Template template = read_template(publisher->parts.records[1], publisher->parts.lengths[1]);
    uint8_t *batch = malloc(template.length * FLAT_OUT_AT_ONCE);
    usleep(50000);  // the sign-in is answered before the first message
    uint64_t begin = now_us();
    atomic_store(&publisher->started_us, begin);
    for (uint64_t number = 0; number < publisher->count;) {
        size_t length = 0;
        uint64_t at_once = publisher->rate > 0 ? 1 : FLAT_OUT_AT_ONCE;
        if (publisher->rate > 0) wait_until_us(begin + (uint64_t)((double)number * 1e6 / publisher->rate));
        for (uint64_t i = 0; i < at_once && number < publisher->count; i++, number++) {
            fill_template(&template, publisher->first_number + number);
            memcpy(batch + length, template.bytes, template.length);
            length += template.length;
        }
        send_all(fd, batch, length);
        drain_answers(fd);
    }
    // A connection that is closed with unread answers would be reset, and the last messages lost with it.
    usleep(100000);
    drain_answers(fd);
    shutdown(fd, SHUT_WR);
    usleep(100000);
    drain_answers(fd);
    close(fd);
    free(batch);
    free(template.bytes);
    atomic_store(&publisher->is_done, 1);
    return NULL;
}

#endif
