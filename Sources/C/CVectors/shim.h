// What the processor does and Swift has no word for.
#pragma once

// The width of the vector registers that the code is compiled for: 512 where there are 32 of 512
// bits, 256 where there are 16 of 256 bits, else 128.
static inline int CVectors_registerBits(void) {
#if defined(__AVX512F__)
  return 512;
#elif defined(__AVX2__)
  return 256;
#else
  return 128;
#endif
}

// Sixteen floats; Swift sees SIMD16<Float>.
typedef float CVectors_Float16 __attribute__((ext_vector_type(16)));

// a * b + c on all lanes at once, with one rounding where the processor has an instruction for it.
// SIMD.addingProduct is written lane by lane, and the compiler does not always put the lanes together
// again; without the instruction it is a library call a lane.
static inline __attribute__((always_inline)) CVectors_Float16 CVectors_multiplyAdd(
    CVectors_Float16 a, CVectors_Float16 b, CVectors_Float16 c) {
#if defined(__FMA__)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Asks for the cache line at an address, to be read soon.
static inline __attribute__((always_inline)) void CVectors_prefetch(const void *address) {
  __builtin_prefetch(address, 0, 3);
}

// The same for a line that is going to be overwritten.
static inline __attribute__((always_inline)) void CVectors_prefetchForWriting(const void *address) {
  __builtin_prefetch(address, 1, 3);
}
