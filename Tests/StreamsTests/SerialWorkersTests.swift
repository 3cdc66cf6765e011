// SPDX-License-Identifier: Apache-2.0
import Streams
import Synchronization
import Testing

@Suite struct SerialWorkersTests {
  @Test(arguments: [0, 1, 3, 8])
  func theWorkOfAKeyIsDoneInOrder(threads: Int) {
    let workers = SerialWorkers(threads: threads)
    let done = Mutex([[Int]](repeating: [], count: 5))
    for number in 0..<2000 {
      workers.give(number % 5) { done.withLock { $0[number % 5].append(number) } }
    }
    for key in 0..<5 { workers.finish(key) }
    let found = done.withLock { $0 }
    for key in 0..<5 { #expect(found[key] == Array(stride(from: key, to: 2000, by: 5))) }
  }

  @Test func whatWasGivenIsDoneBeforeTheEnd() {
    let count = Mutex(0)
    do {
      let workers = SerialWorkers(threads: 2)
      for key in 0..<100 { workers.give(key) { count.withLock { $0 += 1 } } }
    }
    #expect(count.withLock { $0 } == 100)
  }
}
