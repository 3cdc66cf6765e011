// SPDX-License-Identifier: Apache-2.0
// Questions about runs of bytes, answered 16 to 64 bytes at a time: Swift's vectors cannot yet turn a
// comparison into a bit mask. No state, no reads outside [p, p + n).
#ifndef CL_BYTE_SCAN_H
#define CL_BYTE_SCAN_H
#include <stddef.h>
#include <stdint.h>
#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

static inline int cl_is_plain(uint8_t c) {
  return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

// Length of the longest prefix without a quote, a backslash, a control character, or a byte of 0x80
// and above: what may stand in a JSON string just like that.
static inline size_t cl_plain_run(const uint8_t *p, size_t n) {
  size_t i = 0;
#if defined(__AVX512BW__)
  const __m512i quote = _mm512_set1_epi8('"'), backslash = _mm512_set1_epi8('\\');
  const __m512i space = _mm512_set1_epi8(0x20);
  for (; n - i >= 64; i += 64) {
    const __m512i v = _mm512_loadu_si512(p + i);
    // Signed: a byte of 0x80 and above is negative, hence below the space.
    const uint64_t stop = _mm512_cmplt_epi8_mask(v, space) | _mm512_cmpeq_epi8_mask(v, quote) |
                          _mm512_cmpeq_epi8_mask(v, backslash);
    if (stop) return i + (size_t)__builtin_ctzll(stop);
  }
  if (i < n) {
    const __mmask64 rest = ~(uint64_t)0 >> (64 - (n - i));
    const __m512i v = _mm512_maskz_loadu_epi8(rest, p + i);
    const uint64_t stop = rest & (_mm512_cmplt_epi8_mask(v, space) |
                                  _mm512_cmpeq_epi8_mask(v, quote) |
                                  _mm512_cmpeq_epi8_mask(v, backslash));
    return stop ? i + (size_t)__builtin_ctzll(stop) : n;
  }
  return n;
#else
#if defined(__AVX2__)
  for (; n - i >= 32; i += 32) {
    const __m256i v = _mm256_loadu_si256((const __m256i *)(p + i));
    const __m256i hit = _mm256_or_si256(
        _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v),
        _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                        _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))));
    const uint32_t stop = (uint32_t)_mm256_movemask_epi8(hit);
    if (stop) return i + (size_t)__builtin_ctz(stop);
  }
#endif
#if defined(__SSE2__)
  for (; n - i >= 16; i += 16) {
    const __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
    const __m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)),
                                     _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                                                  _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    const uint32_t stop = (uint32_t)_mm_movemask_epi8(hit);
    if (stop) return i + (size_t)__builtin_ctz(stop);
  }
#elif defined(__ARM_NEON)
  for (; n - i >= 16; i += 16) {
    const uint8x16_t v = vld1q_u8(p + i);
    const uint8x16_t hit =
        vorrq_u8(vcltq_s8(vreinterpretq_s8_u8(v), vdupq_n_s8(0x20)),
                 vorrq_u8(vceqq_u8(v, vdupq_n_u8('"')), vceqq_u8(v, vdupq_n_u8('\\'))));
    // Four bits a byte.
    const uint64_t stop =
        vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(hit), 4)), 0);
    if (stop) return i + ((size_t)__builtin_ctzll(stop) >> 2);
  }
#endif
  for (; i < n; i++)
    if (!cl_is_plain(p[i])) return i;
  return n;
#endif
}

// How often the byte `c` occurs.
static inline size_t cl_count_byte(const uint8_t *p, size_t n, uint8_t c) {
  size_t count = 0, i = 0;
#if defined(__AVX512BW__)
  for (; n - i >= 64; i += 64)
    count += (size_t)__builtin_popcountll(
        _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p + i), _mm512_set1_epi8((char)c)));
#elif defined(__AVX2__)
  for (; n - i >= 32; i += 32)
    count += (size_t)__builtin_popcount((uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(
        _mm256_loadu_si256((const __m256i *)(p + i)), _mm256_set1_epi8((char)c))));
#endif
  for (; i < n; i++) count += p[i] == c;
  return count;
}

// Offset behind the last byte `c`; 0 if there is none.
static inline size_t cl_after_last(const uint8_t *p, size_t n, uint8_t c) {
  while (n > 0 && p[n - 1] != c) n--;
  return n;
}

#endif
