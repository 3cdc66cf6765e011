// SPDX-License-Identifier: Apache-2.0
// Function types of the CBLAS calls in use. The library itself is opened by dlopen.
#include <stdint.h>
typedef int32_t openblas_int;
