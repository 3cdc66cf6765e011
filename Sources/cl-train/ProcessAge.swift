// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How long this process exists, its loading by the system included.
enum ProcessAge {
  /// Seconds since the process was started, in steps of the kernel's clock ticks (10 ms); 0 where
  /// the kernel does not tell.
  static func seconds() -> Double {
    guard let file = fopen("/proc/self/stat", "re") else { return 0 }
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 4096)
    let count = fread(&line, 1, line.count, file)
    // The second field is the program's name in parentheses and may hold anything; field 22, the
    // start in ticks since boot, is the 20th after it.
    guard let end = line[..<count].lastIndex(of: UInt8(ascii: ")")) else { return 0 }
    let fields = line[(end + 1)..<count].split(separator: UInt8(ascii: " "))
    guard fields.count > 19, let ticks = Double(String(decoding: fields[19], as: UTF8.self)) else {
      return 0
    }
    var now = timespec()
    clock_gettime(CLOCK_BOOTTIME, &now)
    let started = ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    return max(0, Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9 - started)
  }
}
