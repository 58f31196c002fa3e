// What the processor does and Swift has no word for.
#pragma once

// Whether the code is compiled for 32 vector registers of 512 bits.
static inline int CVectors_hasWideVectors(void) {
#if defined(__AVX512F__)
  return 1;
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
