// What the processor does and Swift has no word for.
#pragma once

// The vector registers with fused multiply-add that the code is compiled for: 512 where there are 32
// of 512 bits, 256 where there are 16 of 256 bits, 0 where there are none.
static inline int CVectors_fusedRegisterBits(void) {
#if defined(__AVX512F__)
  return 512;
#elif defined(__AVX2__) && defined(__FMA__)
  return 256;
#else
  return 0;
#endif
}

// Sixteen floats; Swift sees SIMD16<Float>.
typedef float CVectors_Float16 __attribute__((ext_vector_type(16)));

// a * b + c with one rounding, on all lanes at once. SIMD.addingProduct is written lane by lane, and
// the compiler does not always put the lanes together again.
static inline __attribute__((always_inline)) CVectors_Float16 CVectors_fusedMultiplyAdd(
    CVectors_Float16 a, CVectors_Float16 b, CVectors_Float16 c) {
  return __builtin_elementwise_fma(a, b, c);
}

// Asks for the cache line at an address, to be read soon.
static inline __attribute__((always_inline)) void CVectors_prefetch(const void *address) {
  __builtin_prefetch(address, 0, 3);
}

// The same for a line that is going to be overwritten.
static inline __attribute__((always_inline)) void CVectors_prefetchForWriting(const void *address) {
  __builtin_prefetch(address, 1, 3);
}
