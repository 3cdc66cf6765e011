// SPDX-License-Identifier: Apache-2.0
internal import CInstructions
import Glibc

/// What the processor can do, from /proc/cpuinfo.
enum Processor {
  /// AVX-512 with the parts that OpenBLAS's SKYLAKEX kernels use.
  static let hasAVX512 = ["avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"]
    .allSatisfy(flags.contains)

  /// The program was compiled for vectors of 16 floats.
  static let hasWideVectors = cl_has_wide_vectors == 1

  /// Products of bfloat16: the processor has the instructions, and the program was compiled with them.
  static let hasBFloat16 =
    cl_has_bf16_instructions == 1 && hasAVX512 && flags.contains("avx512_bf16")

  private static let flags: Set<Substring> = {
    guard let file = fopen("/proc/cpuinfo", "r") else { return [] }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0, let line {
      let text = String(cString: line)
      if text.hasPrefix("flags") { return Set(text.split { $0 == " " || $0 == "\n" || $0 == "\t" }) }
    }
    return []
  }()
}
