// What the programs of the benchmark share: the clock, latency histograms, blob files and TCP.
#ifndef CAREBELL_BENCH_COMMON_H
#define CAREBELL_BENCH_COMMON_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// A message carries "~t" and its time of sending, 16 digits of microseconds on the monotonic clock.
#define MARK "~t"
#define STAMP_DIGITS 16
#define STAMP_HOLE "@@@@@@@@@@@@@@@@"
#define NUMBER_DIGITS 8
#define NUMBER_HOLE "########"

static inline uint64_t now_us(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000u + (uint64_t)at.tv_nsec / 1000u;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void write_digits(uint8_t *at, uint64_t value, int digits) {
    for (int place = digits - 1; place >= 0; place--, value /= 10) at[place] = (uint8_t)('0' + value % 10);
}

static inline uint64_t read_digits(const uint8_t *at, int digits) {
    uint64_t value = 0;
    for (int place = 0; place < digits; place++) value = value * 10 + (uint64_t)(at[place] - '0');
    return value;
}

// Latencies in microseconds, in buckets that are never wider than 1/64 of their value.
#define BUCKETS 4096
typedef struct {
    uint64_t count, max, buckets[BUCKETS];
} Histogram;

static inline void record(Histogram *histogram, uint64_t value) {
    uint64_t bucket = value;
    if (value >= 128) {
        int shift = 63 - __builtin_clzll(value) - 6;
        bucket = (uint64_t)(shift + 1) * 64 + ((value >> shift) & 63);
    }
    histogram->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    histogram->count++;
    if (value > histogram->max) histogram->max = value;
}

static inline double percentile_ms(const Histogram *histogram, double part) {
    uint64_t wanted = (uint64_t)((double)histogram->count * part), seen = 0;
    for (uint64_t bucket = 0; bucket < BUCKETS; bucket++) {
        seen += histogram->buckets[bucket];
        if (seen <= wanted) continue;
        if (bucket < 128) return (double)bucket / 1000.0;
        int shift = (int)(bucket / 64) - 1;
        return (double)((bucket % 64 + 64) << shift) / 1000.0;
    }
    return (double)histogram->max / 1000.0;
}

// A file of records, each with its length in 4 bytes, little endian, in front. Record i of n is i modulo n.
typedef struct {
    uint32_t count;
    uint32_t *lengths;
    uint8_t **records;
} Blobs;

static inline Blobs read_blobs(const char *path) {
    Blobs blobs = {0};
    if (!path || !*path) return blobs;
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    uint32_t length;
    while (fread(&length, 4, 1, file) == 1) {
        blobs.lengths = realloc(blobs.lengths, (blobs.count + 1) * sizeof *blobs.lengths);
        blobs.records = realloc(blobs.records, (blobs.count + 1) * sizeof *blobs.records);
        uint8_t *record = malloc(length + 1);
        if (fread(record, 1, length, file) != length) die("a record is cut short");
        record[length] = 0;
        blobs.lengths[blobs.count] = length;
        blobs.records[blobs.count++] = record;
    }
    fclose(file);
    return blobs;
}

static inline int connect_to(const char *host, int port, int source, int flags) {
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0), yes = 1;
    if (fd < 0) die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (source > 0) {
        // Addresses 127.0.0.2 and on: each has its own 28,000 ports.
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        address.sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)source);
        if (bind(fd, (struct sockaddr *)&address, sizeof address)) die("bind");
    }
    address.sin_port = htons((uint16_t)port);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die(host);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
    return fd;
}

static inline void send_all(int fd, const uint8_t *data, size_t length) {
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0) die("send");
        data += sent;
        length -= (size_t)sent;
    }
}

static inline void raise_file_limit(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

#endif
