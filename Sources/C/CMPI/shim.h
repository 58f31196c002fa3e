// Makes MPI visible to Swift: the functions as they are, the macros by functions.
//
// Swift cannot import MPI_COMM_WORLD, MPI_FLOAT and the like, because they are macros with casts.
// A communicator is a pointer in Open MPI and an integer in MPICH, and Swift sees the first as an
// optional. So functions which write a communicator through a pointer are wrapped to return it, and
// Swift code never spells the type below MPI_Comm.
#pragma once
#include <mpi.h>
#include <stddef.h>
#include <stdlib.h>

// The library whose header this was compiled with; the one at run time may be another.
static inline const char *CMPI_HEADER_VERSION(void) {
#define CMPI_TEXT_OF(value) #value
#define CMPI_TEXT(value) CMPI_TEXT_OF(value)
#if defined(OMPI_MAJOR_VERSION)
  return "Open MPI " CMPI_TEXT(OMPI_MAJOR_VERSION) "." CMPI_TEXT(OMPI_MINOR_VERSION) "." CMPI_TEXT(
      OMPI_RELEASE_VERSION);
#elif defined(MPICH_VERSION)
  return "MPICH " MPICH_VERSION;
#else
  return "another MPI";
#endif
#undef CMPI_TEXT
#undef CMPI_TEXT_OF
}

static inline MPI_Comm CMPI_COMM_WORLD(void) { return MPI_COMM_WORLD; }

static inline MPI_Datatype CMPI_BYTE(void) { return MPI_BYTE; }
static inline MPI_Datatype CMPI_DOUBLE(void) { return MPI_DOUBLE; }
static inline MPI_Datatype CMPI_FLOAT(void) { return MPI_FLOAT; }
static inline MPI_Datatype CMPI_INT64_T(void) { return MPI_INT64_T; }

static inline MPI_Op CMPI_SUM(void) { return MPI_SUM; }

static inline void *CMPI_IN_PLACE(void) { return MPI_IN_PLACE; }

static inline int CMPI_SUCCESS(void) { return MPI_SUCCESS; }
static inline int CMPI_ERR_NO_MEM(void) { return MPI_ERR_NO_MEM; }
static inline int CMPI_MAX_ERROR_STRING(void) { return MPI_MAX_ERROR_STRING; }
static inline int CMPI_MAX_PROCESSOR_NAME(void) { return MPI_MAX_PROCESSOR_NAME; }
static inline int CMPI_MAX_LIBRARY_VERSION(void) { return MPI_MAX_LIBRARY_VERSION_STRING; }

static inline int CMPI_THREAD_SINGLE(void) { return MPI_THREAD_SINGLE; }
static inline int CMPI_THREAD_FUNNELED(void) { return MPI_THREAD_FUNNELED; }
static inline int CMPI_THREAD_SERIALIZED(void) { return MPI_THREAD_SERIALIZED; }
static inline int CMPI_THREAD_MULTIPLE(void) { return MPI_THREAD_MULTIPLE; }

// MPI_Init_thread without the program's arguments.
static inline int CMPI_Init_thread(int required, int *provided) {
  return MPI_Init_thread(NULL, NULL, required, provided);
}

// MPI_Comm_set_errhandler with MPI_ERRORS_RETURN.
static inline int CMPI_Comm_return_errors(MPI_Comm communicator) {
  return MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
}

// MPI_Comm_dup; the return code goes to *code.
static inline MPI_Comm CMPI_Comm_dup(MPI_Comm communicator, int *code) {
  MPI_Comm duplicate = MPI_COMM_NULL;
  *code = MPI_Comm_dup(communicator, &duplicate);
  return duplicate;
}

// MPI_Comm_split_type into the ranks that share memory; the return code goes to *code.
static inline MPI_Comm CMPI_Comm_split_shared(MPI_Comm communicator, int key, int *code) {
  MPI_Comm host = MPI_COMM_NULL;
  *code = MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, key, MPI_INFO_NULL, &host);
  return host;
}

// MPI_Comm_split that leaves all ranks together and numbers them by key; the return code goes to *code.
static inline MPI_Comm CMPI_Comm_split(MPI_Comm communicator, int key, int *code) {
  MPI_Comm ordered = MPI_COMM_NULL;
  *code = MPI_Comm_split(communicator, 0, key, &ordered);
  return ordered;
}

// MPI_Comm_free of a copy of the handle.
static inline int CMPI_Comm_free(MPI_Comm communicator) { return MPI_Comm_free(&communicator); }

// MPI_Recv without a status.
static inline int CMPI_Recv(
    void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm communicator) {
  return MPI_Recv(buffer, count, type, source, tag, communicator, MPI_STATUS_IGNORE);
}

// An array of requests, whose type is a pointer in Open MPI and an integer in MPICH; NULL where
// memory is short. free() gives it back.
static inline void *CMPI_Requests(int count) {
  MPI_Request *requests = (MPI_Request *)malloc((size_t)count * sizeof(MPI_Request));
  for (int index = 0; requests != NULL && index < count; index++) {
    requests[index] = MPI_REQUEST_NULL;
  }
  return requests;
}
static inline int CMPI_Request_size(void) { return (int)sizeof(MPI_Request); }

// MPI_Isend, MPI_Irecv and MPI_Testall with requests in such an array.
static inline int CMPI_Isend(
    const void *buffer, int count, MPI_Datatype type, int destination, int tag,
    MPI_Comm communicator, void *requests, int index) {
  return MPI_Isend(
      buffer, count, type, destination, tag, communicator, (MPI_Request *)requests + index);
}
static inline int CMPI_Irecv(
    void *buffer, int count, MPI_Datatype type, int source, int tag, MPI_Comm communicator,
    void *requests, int index) {
  return MPI_Irecv(buffer, count, type, source, tag, communicator, (MPI_Request *)requests + index);
}
static inline int CMPI_Testall(int count, void *requests, int *flag) {
  return MPI_Testall(count, (MPI_Request *)requests, flag, MPI_STATUSES_IGNORE);
}
// MPI_Ibarrier with a request in such an array.
static inline int CMPI_Ibarrier(MPI_Comm communicator, void *requests, int index) {
  return MPI_Ibarrier(communicator, (MPI_Request *)requests + index);
}

// The name of a control variable of the library's tools interface; `*length` is the room for it, then its length.
static inline int CMPI_T_cvar_name(int index, char *name, int *length) {
  int verbosity, binding, scope, room = 0;
  MPI_Datatype type;
  MPI_T_enum values;
  return MPI_T_cvar_get_info(
      index, name, length, &verbosity, &type, &values, NULL, &room, &binding, &scope);
}
