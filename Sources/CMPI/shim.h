#pragma once
// Open MPI through the few calls this project makes.
//
// Why every call has a shim: MPI_COMM_WORLD, MPI_BYTE, MPI_ERRORS_RETURN and MPI_INFO_NULL are macros that cast the
// address of a global, and Swift imports only macros that are literals. Keeping the handles here also keeps every
// MPI type out of Swift. All functions return the MPI error code.
#include <mpi.h>

// Swift would have to build argc and argv as C wants them to change them; NULL for both is allowed since MPI 2.
static inline int CMPI_init_funneled(int *provided) {
    return MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, provided);
}

// Needs MPI_COMM_WORLD and MPI_ERRORS_RETURN (macros).
static inline int CMPI_return_errors(void) { return MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN); }

// Needs MPI_COMM_WORLD (macro).
static inline int CMPI_world(int *rank, int *size) {
    int code = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    return code != MPI_SUCCESS ? code : MPI_Comm_size(MPI_COMM_WORLD, size);
}

// Needs MPI_COMM_WORLD and MPI_INFO_NULL (macros): this process among those that share memory with it.
static inline int CMPI_node(int *rank, int *size) {
    MPI_Comm node;
    int code = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    if (code != MPI_SUCCESS) return code;
    code = MPI_Comm_rank(node, rank);
    if (code == MPI_SUCCESS) code = MPI_Comm_size(node, size);
    int freed = MPI_Comm_free(&node);
    return code != MPI_SUCCESS ? code : freed;
}

// Needs MPI_COMM_WORLD and MPI_BYTE (macros). `received` is the number of bytes that arrived.
static inline int CMPI_exchange(const void *outgoing, int outgoing_bytes, void *incoming, int incoming_bytes, int peer,
                                int *received) {
    MPI_Status status;
    int code = MPI_Sendrecv(outgoing, outgoing_bytes, MPI_BYTE, peer, 0, incoming, incoming_bytes, MPI_BYTE, peer, 0,
                            MPI_COMM_WORLD, &status);
    return code != MPI_SUCCESS ? code : MPI_Get_count(&status, MPI_BYTE, received);
}

// Needs MPI_COMM_WORLD and MPI_BYTE (macros).
static inline int CMPI_broadcast(void *bytes, int count, int root) {
    return MPI_Bcast(bytes, count, MPI_BYTE, root, MPI_COMM_WORLD);
}

// Needs MPI_COMM_WORLD and MPI_BYTE (macros).
static inline int CMPI_all_gather(const void *part, int count, void *whole) {
    return MPI_Allgather(part, count, MPI_BYTE, whole, count, MPI_BYTE, MPI_COMM_WORLD);
}

// Needs MPI_COMM_WORLD, MPI_IN_PLACE, MPI_FLOAT and MPI_SUM (macros).
static inline int CMPI_sum_floats(float *values, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

// Needs MPI_COMM_WORLD (macro).
static inline int CMPI_barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }

// Needs MPI_COMM_WORLD (macro).
static inline int CMPI_abort(int exit_code) { return MPI_Abort(MPI_COMM_WORLD, exit_code); }

// MPI_MAX_ERROR_STRING expands to another macro from a generated header; `text` holds CMPI_text_bytes bytes.
enum { CMPI_text_bytes = MPI_MAX_ERROR_STRING + 1 };
static inline int CMPI_error_text(int code, char *text) {
    int length = 0;
    int result = MPI_Error_string(code, text, &length);
    text[result == MPI_SUCCESS ? length : 0] = 0;
    return result;
}
