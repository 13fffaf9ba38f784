/* Counts on packed bits: one mask with another, every mask with every other, and a plain read.
 * AVX-512 and AVX2 have no common population count; each has its own way to add 64-bit lanes. */
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512VPOPCNTDQ__)
typedef __m512i lanes;
enum { LANES = 8 };
static lanes load(const uint64_t *p) { return _mm512_loadu_si512((const void *)p); }
static lanes both(lanes a, lanes b) { return _mm512_and_si512(a, b); }
static lanes ones(lanes v) { return _mm512_popcnt_epi64(v); }
static lanes add(lanes a, lanes b) { return _mm512_add_epi64(a, b); }
static lanes zero(void) { return _mm512_setzero_si512(); }
static int64_t sum(lanes v) { return _mm512_reduce_add_epi64(v); }
#elif defined(__AVX2__)
typedef __m256i lanes;
enum { LANES = 4 };
static lanes load(const uint64_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static lanes both(lanes a, lanes b) { return _mm256_and_si256(a, b); }
static lanes ones(lanes v) {
    /* Mula's table of nibbles. */
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble));
    __m256i high =
        _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
    return _mm256_sad_epu8(_mm256_add_epi8(low, high), _mm256_setzero_si256());
}
static lanes add(lanes a, lanes b) { return _mm256_add_epi64(a, b); }
static lanes zero(void) { return _mm256_setzero_si256(); }
static int64_t sum(lanes v) {
    return _mm256_extract_epi64(v, 0) + _mm256_extract_epi64(v, 1) +
           _mm256_extract_epi64(v, 2) + _mm256_extract_epi64(v, 3);
}
#else
typedef uint64_t lanes;
enum { LANES = 1 };
static lanes load(const uint64_t *p) { return *p; }
static lanes both(lanes a, lanes b) { return a & b; }
static lanes ones(lanes v) { return (uint64_t)__builtin_popcountll(v); }
static lanes add(lanes a, lanes b) { return a + b; }
static lanes zero(void) { return 0; }
static int64_t sum(lanes v) { return (int64_t)v; }
#endif

int64_t pair(const uint64_t *a, const uint64_t *b, int64_t n) {
    lanes s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    int64_t i = 0, total;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 = add(s0, ones(both(load(a + i), load(b + i))));
        s1 = add(s1, ones(both(load(a + i + LANES), load(b + i + LANES))));
        s2 = add(s2, ones(both(load(a + i + 2 * LANES), load(b + i + 2 * LANES))));
        s3 = add(s3, ones(both(load(a + i + 3 * LANES), load(b + i + 3 * LANES))));
    }
    total = sum(add(add(s0, s1), add(s2, s3)));
    for (; i < n; i++) total += __builtin_popcountll(a[i] & b[i]);
    return total;
}

uint64_t read_words(const uint64_t *a, int64_t n) {
    lanes s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    int64_t i = 0;
    uint64_t total;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        s0 = add(s0, load(a + i));
        s1 = add(s1, load(a + i + LANES));
        s2 = add(s2, load(a + i + 2 * LANES));
        s3 = add(s3, load(a + i + 3 * LANES));
    }
    total = (uint64_t)sum(add(add(s0, s1), add(s2, s3)));
    for (; i < n; i++) total += a[i];
    return total;
}

void all_pairs(const uint64_t *rows, int64_t n, int64_t words, int64_t *counts) {
    enum { TILE = 1024 };
    for (int64_t start = 0; start < words; start += TILE) {
        int64_t length = words - start < TILE ? words - start : TILE;
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = i + 1; j < n; j++)
                counts[i * n + j] +=
                    pair(rows + i * words + start, rows + j * words + start, length);
    }
}
