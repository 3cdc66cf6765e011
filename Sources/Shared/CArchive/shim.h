// SPDX-License-Identifier: Apache-2.0
#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// zlib and libzstd, which libarchive brings along. libarchive 3.6 neither checks the CRC of gzip nor
// takes windows beyond 128 MiB of zstd, so these two formats are unpacked by their own libraries,
// opened at run time: only the little that is declared here is used (zlib.h 1.2, zstd.h 1.4).

typedef struct {
  const uint8_t *next_in;
  unsigned avail_in;
  unsigned long total_in;
  uint8_t *next_out;
  unsigned avail_out;
  unsigned long total_out;
  const char *msg;
  void *state;
  void *zalloc, *zfree, *opaque;
  int data_type;
  unsigned long adler, reserved;
} cl_zstream;

typedef struct {
  const void *src;
  size_t size, pos;
} cl_zstd_in;

typedef struct {
  void *dst;
  size_t size, pos;
} cl_zstd_out;

typedef struct {
  int (*inflateInit2)(cl_zstream *, int, const char *, int);
  int (*inflate)(cl_zstream *, int);
  int (*inflateReset)(cl_zstream *);
  int (*inflateEnd)(cl_zstream *);
} cl_zlib;

typedef struct {
  void *(*create)(void);
  size_t (*destroy)(void *);
  size_t (*setParameter)(void *, int, int);
  size_t (*decompress)(void *, cl_zstd_out *, cl_zstd_in *);
  unsigned (*isError)(size_t);
  const char *(*errorName)(size_t);
} cl_zstd;

// 1 if the library is there.
static inline int cl_zlib_open(cl_zlib *z) {
  void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return 0;
  *(void **)&z->inflateInit2 = dlsym(library, "inflateInit2_");
  *(void **)&z->inflate = dlsym(library, "inflate");
  *(void **)&z->inflateReset = dlsym(library, "inflateReset");
  *(void **)&z->inflateEnd = dlsym(library, "inflateEnd");
  return z->inflateInit2 && z->inflate && z->inflateReset && z->inflateEnd;
}

// Reads one gzip member after the other; 0 if it could not start.
static inline int cl_zlib_start(const cl_zlib *z, cl_zstream *stream) {
  return z->inflateInit2(stream, 15 + 16, "1.2.0", (int)sizeof *stream) == 0;
}

static inline int cl_zlib_inflate(const cl_zlib *z, cl_zstream *stream) {
  return z->inflate(stream, 0);
}
static inline int cl_zlib_reset(const cl_zlib *z, cl_zstream *stream) {
  return z->inflateReset(stream);
}
static inline void cl_zlib_end(const cl_zlib *z, cl_zstream *stream) { z->inflateEnd(stream); }

static inline int cl_zstd_open(cl_zstd *z) {
  void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return 0;
  *(void **)&z->create = dlsym(library, "ZSTD_createDCtx");
  *(void **)&z->destroy = dlsym(library, "ZSTD_freeDCtx");
  *(void **)&z->setParameter = dlsym(library, "ZSTD_DCtx_setParameter");
  *(void **)&z->decompress = dlsym(library, "ZSTD_decompressStream");
  *(void **)&z->isError = dlsym(library, "ZSTD_isError");
  *(void **)&z->errorName = dlsym(library, "ZSTD_getErrorName");
  return z->create && z->destroy && z->setParameter && z->decompress && z->isError && z->errorName;
}

// A context that takes windows of up to 2^windowLog bytes; NULL if there is none.
static inline void *cl_zstd_start(const cl_zstd *z, int windowLog) {
  void *context = z->create();
  if (context && z->isError(z->setParameter(context, 100 /* ZSTD_d_windowLogMax */, windowLog))) {
    z->destroy(context);
    return NULL;
  }
  return context;
}

static inline void cl_zstd_end(const cl_zstd *z, void *context) { z->destroy(context); }

// Bytes that it would like next, 0 at the end of a frame; or an error, whose name goes to *error.
static inline size_t cl_zstd_step(const cl_zstd *z, void *context, cl_zstd_out *out,
                                  cl_zstd_in *in, const char **error) {
  const size_t status = z->decompress(context, out, in);
  *error = z->isError(status) ? z->errorName(status) : NULL;
  return status;
}
