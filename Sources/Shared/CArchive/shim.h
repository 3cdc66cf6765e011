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

// The other way: pieces packed by themselves, one gzip member or zstd frame each.

typedef struct {
  int (*deflateInit2)(cl_zstream *, int, int, int, int, int, const char *, int);
  int (*deflate)(cl_zstream *, int);
  int (*deflateReset)(cl_zstream *);
  int (*deflateEnd)(cl_zstream *);
  unsigned long (*deflateBound)(cl_zstream *, unsigned long);
} cl_zlib_packer;

typedef struct {
  void *(*create)(void);
  size_t (*destroy)(void *);
  size_t (*setParameter)(void *, int, int);
  size_t (*compress)(void *, void *, size_t, const void *, size_t);
  size_t (*bound)(size_t);
  unsigned (*isError)(size_t);
} cl_zstd_packer;

// 1 if the library is there and `stream` is ready.
static inline int cl_zlib_packer_open(cl_zlib_packer *z, cl_zstream *stream) {
  void *library = dlopen("libz.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return 0;
  *(void **)&z->deflateInit2 = dlsym(library, "deflateInit2_");
  *(void **)&z->deflate = dlsym(library, "deflate");
  *(void **)&z->deflateReset = dlsym(library, "deflateReset");
  *(void **)&z->deflateEnd = dlsym(library, "deflateEnd");
  *(void **)&z->deflateBound = dlsym(library, "deflateBound");
  if (!z->deflateInit2 || !z->deflate || !z->deflateReset || !z->deflateEnd || !z->deflateBound)
    return 0;
  // Level 6, gzip's header (15 + 16), the default memory; no name and no time in the header.
  return z->deflateInit2(stream, 6, 8, 15 + 16, 8, 0, "1.2.0", (int)sizeof *stream) == 0;
}

static inline size_t cl_zlib_packer_bound(const cl_zlib_packer *z, cl_zstream *stream, size_t size) {
  return z->deflateBound(stream, size);
}

// The size of the member, 0 on failure.
static inline size_t cl_zlib_packer_pack(const cl_zlib_packer *z, cl_zstream *stream, void *to,
                                         size_t room, const void *from, size_t size) {
  if (z->deflateReset(stream) != 0) return 0;
  stream->next_in = (const uint8_t *)from;
  stream->avail_in = (unsigned)size;
  stream->next_out = (uint8_t *)to;
  stream->avail_out = (unsigned)room;
  if (z->deflate(stream, 4 /* Z_FINISH */) != 1 /* Z_STREAM_END */) return 0;
  return room - stream->avail_out;
}

static inline void cl_zlib_packer_end(const cl_zlib_packer *z, cl_zstream *stream) {
  z->deflateEnd(stream);
}

// A context of level 3 with checksums; NULL if there is none.
static inline void *cl_zstd_packer_open(cl_zstd_packer *z) {
  void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return NULL;
  *(void **)&z->create = dlsym(library, "ZSTD_createCCtx");
  *(void **)&z->destroy = dlsym(library, "ZSTD_freeCCtx");
  *(void **)&z->setParameter = dlsym(library, "ZSTD_CCtx_setParameter");
  *(void **)&z->compress = dlsym(library, "ZSTD_compress2");
  *(void **)&z->bound = dlsym(library, "ZSTD_compressBound");
  *(void **)&z->isError = dlsym(library, "ZSTD_isError");
  if (!z->create || !z->destroy || !z->setParameter || !z->compress || !z->bound || !z->isError)
    return NULL;
  void *context = z->create();
  if (context && (z->isError(z->setParameter(context, 100 /* ZSTD_c_compressionLevel */, 3)) ||
                  z->isError(z->setParameter(context, 201 /* ZSTD_c_checksumFlag */, 1)))) {
    z->destroy(context);
    return NULL;
  }
  return context;
}

static inline size_t cl_zstd_packer_bound(const cl_zstd_packer *z, size_t size) {
  return z->bound(size);
}

// The size of the frame, 0 on failure.
static inline size_t cl_zstd_packer_pack(const cl_zstd_packer *z, void *context, void *to,
                                         size_t room, const void *from, size_t size) {
  const size_t count = z->compress(context, to, room, from, size);
  return z->isError(count) ? 0 : count;
}

static inline void cl_zstd_packer_end(const cl_zstd_packer *z, void *context) {
  z->destroy(context);
}
