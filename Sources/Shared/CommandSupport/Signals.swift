// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Streams
internal import Synchronization

/// Signals: SIGPIPE ends quietly as for any filter; SIGINT and SIGTERM remove unfinished outputs;
/// a tool that can save its state asks for time instead.
package enum Signals {
  private static let stopRequested = Atomic<Bool>(false)
  private static let isGraceful = Atomic<Bool>(false)

  /// True once SIGTERM, SIGINT or SIGUSR1 came to a tool that called ``stopGracefully()``.
  package static var shouldStop: Bool { stopRequested.load(ordering: .relaxed) }

  /// From now on SIGTERM, SIGINT and SIGUSR1 only set ``shouldStop``; a second one ends at once.
  package static func stopGracefully() { isGraceful.store(true, ordering: .relaxed) }

  /// Starts the thread that waits for signals. Called before any other thread exists.
  static func install() {
    signal(SIGPIPE, SIG_DFL)
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { _ in
        Signals.wait()
        return nil
      }, nil)
    pthread_detach(thread)
  }

  private static func wait() {
    var set = sigset_t()
    sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] { sigaddset(&set, number) }
    while true {
      var number: Int32 = 0
      guard sigwait(&set, &number) == 0 else { continue }
      // Without a state to save SIGUSR1 asks for nothing. The runtime sends it to our threads when
      // it describes a crash, which must not pass for a wish to end.
      if number == SIGUSR1, !isGraceful.load(ordering: .relaxed) { continue }
      if isGraceful.load(ordering: .relaxed),
        !stopRequested.exchange(true, ordering: .relaxed)
      {
        continue
      }
      TemporaryFiles.shared.removeAll()
      signal(number, SIG_DFL)
      var one = sigset_t()
      sigemptyset(&one)
      sigaddset(&one, number)
      pthread_sigmask(SIG_UNBLOCK, &one, nil)
      kill(getpid(), number)
    }
  }
}
