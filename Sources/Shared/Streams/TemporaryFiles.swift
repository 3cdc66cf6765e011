// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// The unfinished outputs of this process, so that a signal can remove them.
package final class TemporaryFiles: Sendable {
  package static let shared = TemporaryFiles()
  private let paths = Mutex<[String]>([])

  func insert(_ path: String) { paths.withLock { $0.append(path) } }
  func remove(_ path: String) { paths.withLock { $0.removeAll { $0 == path } } }

  /// Removes every unfinished output. Called by the thread that handles signals.
  package func removeAll() {
    paths.withLock { list in
      for path in list { unlink(path) }
      list.removeAll()
    }
  }
}
