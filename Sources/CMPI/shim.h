// Makes MPI visible to Swift.
#pragma once
#include <mpi.h>
