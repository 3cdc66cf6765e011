// SPDX-License-Identifier: Apache-2.0
// Vector instructions that Swift has no name for, one function each, and the same in plain C for other
// processors. In a vector of pairs a 32-bit lane holds two bfloat16 numbers, the first one in the low half.
#pragma once
#include <stdint.h>

typedef float cl_floats __attribute__((vector_size(64)));
typedef int32_t cl_pairs __attribute__((vector_size(64)));

#define CL_INLINE static inline __attribute__((always_inline))

typedef uint8_t cl_bytes __attribute__((vector_size(16)));
typedef int8_t cl_signed_bytes __attribute__((vector_size(16)));

// 16 bytes as integers of 32 bits, without a sign and with one.
CL_INLINE cl_pairs cl_widen(const void *start) {
  cl_bytes bytes;
  __builtin_memcpy(&bytes, start, 16);
  return __builtin_convertvector(bytes, cl_pairs);
}

CL_INLINE cl_pairs cl_widen_signed(const void *start) {
  cl_signed_bytes bytes;
  __builtin_memcpy(&bytes, start, 16);
  return __builtin_convertvector(bytes, cl_pairs);
}

// Whole numbers as floats, rounded to nearest even where they have more than 24 bits.
CL_INLINE cl_floats cl_from_integers(cl_pairs x) { return __builtin_convertvector(x, cl_floats); }

#if defined(__AVX512F__)
#include <immintrin.h>
enum { cl_has_wide_vectors = 1 };

// The larger, or smaller, of each pair of lanes; that of b where one of them is no number.
CL_INLINE cl_floats cl_larger(cl_floats a, cl_floats b) {
  return (cl_floats)_mm512_max_ps((__m512)a, (__m512)b);
}

CL_INLINE cl_floats cl_smaller(cl_floats a, cl_floats b) {
  return (cl_floats)_mm512_min_ps((__m512)a, (__m512)b);
}

CL_INLINE cl_floats cl_square_root(cl_floats x) { return (cl_floats)_mm512_sqrt_ps((__m512)x); }

// x · 2^n for whole n; 0, subnormal or infinite where the result has to be.
CL_INLINE cl_floats cl_scale(cl_floats x, cl_floats n) {
  return (cl_floats)_mm512_scalef_ps((__m512)x, (__m512)n);
}

#else
enum { cl_has_wide_vectors = 0 };

CL_INLINE cl_floats cl_larger(cl_floats a, cl_floats b) {
  for (int i = 0; i < 16; i++) a[i] = a[i] > b[i] ? a[i] : b[i];
  return a;
}

CL_INLINE cl_floats cl_smaller(cl_floats a, cl_floats b) {
  for (int i = 0; i < 16; i++) a[i] = a[i] < b[i] ? a[i] : b[i];
  return a;
}

CL_INLINE cl_floats cl_square_root(cl_floats x) {
  for (int i = 0; i < 16; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
}

CL_INLINE cl_floats cl_scale(cl_floats x, cl_floats n) {
  // Three factors, since 2^n may be no normal number where the result is one.
  cl_pairs m;
  for (int i = 0; i < 16; i++) m[i] = (int32_t)(n[i] < -300 ? -300 : n[i] > 300 ? 300 : n[i]);
  cl_pairs half = m >> 1;
  for (int round = 0; round < 3; round++) {
    cl_pairs part = round == 0 ? half >> 1 : round == 1 ? half - (half >> 1) : m - half;
    x *= (cl_floats)((part + 127) << 23);
  }
  return x;
}
#endif

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
enum { cl_has_bf16_instructions = 1 };

// c + the products of each pair of a with the pair of b, summed.
CL_INLINE cl_floats cl_bf16_dot(cl_floats c, cl_pairs a, cl_pairs b) {
  return (cl_floats)_mm512_dpbf16_ps((__m512)c, (__m512bh)a, (__m512bh)b);
}

// 32 neighbouring values, rounded to nearest even: pair i holds values 2i and 2i + 1.
CL_INLINE cl_pairs cl_bf16_neighbours(cl_floats low, cl_floats high) {
  return (cl_pairs)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}

// Pair i holds first[i] and second[i].
CL_INLINE cl_pairs cl_bf16_zip(cl_floats first, cl_floats second) {
  __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)first));
  __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)second));
  return (cl_pairs)_mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

#else
enum { cl_has_bf16_instructions = 0 };

CL_INLINE float cl_bf16_value(uint32_t bits) {
  union { uint32_t bits; float value; } u = {bits};
  return u.value;
}

CL_INLINE uint32_t cl_bf16_round(float value) {
  union { float value; uint32_t bits; } u = {value};
  if (value != value) return (u.bits >> 16) | 64;
  return (u.bits + 0x7fff + ((u.bits >> 16) & 1)) >> 16;
}

CL_INLINE cl_floats cl_bf16_dot(cl_floats c, cl_pairs a, cl_pairs b) {
  for (int i = 0; i < 16; i++) {
    uint32_t x = (uint32_t)a[i], y = (uint32_t)b[i];
    c[i] += cl_bf16_value(x & 0xffff0000u) * cl_bf16_value(y & 0xffff0000u);
    c[i] += cl_bf16_value(x << 16) * cl_bf16_value(y << 16);
  }
  return c;
}

CL_INLINE cl_pairs cl_bf16_zip(cl_floats first, cl_floats second) {
  cl_pairs pairs;
  for (int i = 0; i < 16; i++)
    pairs[i] = (int32_t)(cl_bf16_round(first[i]) | cl_bf16_round(second[i]) << 16);
  return pairs;
}

CL_INLINE cl_pairs cl_bf16_neighbours(cl_floats low, cl_floats high) {
  cl_pairs pairs;
  for (int i = 0; i < 16; i++) {
    float first = i < 8 ? low[2 * i] : high[2 * i - 16];
    float second = i < 8 ? low[2 * i + 1] : high[2 * i - 15];
    pairs[i] = (int32_t)(cl_bf16_round(first) | cl_bf16_round(second) << 16);
  }
  return pairs;
}
#endif
